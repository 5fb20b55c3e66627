# card-doctor alone, to judge what is mounted:
#   docker build -t card-doctor .
#   docker run --rm -v "$PWD:/work:ro" card-doctor check my-card.toml --environment uv.lock --gpu A100
FROM python:3.11-slim AS build
COPY . /source
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.11-slim
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir /wheels/*.whl && rm -r /wheels
# What is judged is never this image: without a file, an interpreter of the mounted folder is named with --python.
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["card-doctor"]
CMD ["--help"]
