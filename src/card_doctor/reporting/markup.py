"""HTML and SVG as a tree: what is put in is text or an element, so nothing that a field holds can become markup."""

from __future__ import annotations

from typing import Union
from xml.etree import ElementTree as ET

from card_doctor.reporting.plain import short

Node = Union[str, ET.Element, None]
MOST_TEXT = 5000  # characters of one text: the JSON in the page has all of it


def element(tag: str, *children: Node, **attributes: object) -> ET.Element:
    """An element. `class_` is the attribute class, `aria_label` is aria-label; an attribute that is None is left out,
    and so is a child that is None.
    """
    made = ET.Element(tag)
    for key, value in attributes.items():
        if value is not None:
            made.set(key.rstrip("_").replace("_", "-"), short(value, MOST_TEXT))
    append(made, *children)
    return made


def append(parent: ET.Element, *children: Node) -> None:
    for child in children:
        if isinstance(child, str):
            _add_text(parent, short(child, MOST_TEXT))
        elif child is not None:
            parent.append(child)


def written(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode", method="html")


def _add_text(parent: ET.Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
