"""The words of cards: what people and generators call a hyperparameter, a metric, a place where hardware is named.

A label is written here as `hyperparameters.label_of` makes it: lower case, ``_`` for a space or a hyphen.
"""

from __future__ import annotations

from typing import Dict

# The Trainer's name, then what it is also called.
_HYPERPARAMETERS = """
learning_rate: lr base_learning_rate base_lr initial_lr optimizer_lr peak_learning_rate peak_lr
    max_learning_rate max_lr learn_rate learning_rate_lr training_learning_rate lora_learning_rate
    taxa_de_aprendizado taxa_de_aprendizagem tasa_de_aprendizaje taux_d_apprentissage lernrate 学习率 學習率
    学習率 학습률 tốc_độ_học скорость_обучения tasso_di_apprendimento
train_batch_size: training_batch_size batch_size batchsize per_device_train_batch_size per_device_batch_size
    micro_batch_size per_gpu_train_batch_size per_gpu_batch_size batch_size_per_device batch_size_per_gpu
    train_batch training_batch mini_batch_size minibatch_size device_batch_size local_batch_size
    batch_size_train train_bs batch per_device_training_batch_size batch_size_training per_device_train_batch
    tamanho_do_lote tamaño_de_lote tamanho_de_lote tamanho_do_batch tamaño_del_lote taille_de_lot taille_du_lot
    taille_de_batch batchgröße 批次大小 批大小 批量大小 批处理大小 バッチサイズ 배치_크기 배치_사이즈
    kích_thước_batch размер_батча размер_пакета
eval_batch_size: evaluation_batch_size validation_batch_size val_batch_size test_batch_size
    per_device_eval_batch_size per_gpu_eval_batch_size valid_batch_size per_device_evaluation_batch_size
    batch_size_eval eval_batch
seed: random_seed fixed_random_seed training_seed random_state manual_seed fixed_seed rng_seed 随机种子
    亂數種子 ランダムシード シード 시드 랜덤_시드 semente semilla graine
distributed_type: distributed_training_type
num_devices: number_of_devices num_gpus number_of_gpus n_gpu n_gpus gpu_count
gradient_accumulation_steps: gradient_accumulation grad_accumulation_steps grad_accumulation grad_accum
    grad_accum_steps accumulation_steps accumulate_grad_batches gradient_accumulation_step gradient_acc_steps
    梯度累积步数 梯度累积 勾配累積 勾配蓄積ステップ 그래디언트_누적
total_train_batch_size: effective_batch_size global_batch_size total_batch_size effective_batch
    effective_train_batch_size total_training_batch_size global_train_batch_size total_train_batch
    effective_global_batch_size 有效批次大小 等效批次大小 实效批次大小
total_eval_batch_size: total_evaluation_batch_size
optimizer: optimiser optimizer_type optimizer_name otimizador optimizador optimiseur 优化器 優化器 最適化手法
    optimierer ottimizzatore オプティマイザ 옵티마이저 оптимизатор trình_tối_ưu
lr_scheduler_type: lr_scheduler scheduler learning_rate_scheduler learning_rate_scheduler_type lr_schedule
    learning_rate_schedule scheduler_type schedule lr_schedule_type lr_decay_style learning_rate_decay
    学习率调度器 学习率调度 学习率策略 スケジューラ 스케줄러
lr_scheduler_warmup_ratio: warmup_ratio warm_up_ratio warmup_proportion_of_steps 预热比例 预热率
lr_scheduler_warmup_steps: warmup_steps warm_up_steps num_warmup_steps lr_warmup_steps number_of_warmup_steps
    learning_rate_warmup_steps scheduler_warmup_steps lr_scheduler_warm_up_steps warmup_iterations 预热步数
    ウォームアップステップ 워밍업_스텝
num_epochs: epochs number_of_epochs num_train_epochs training_epochs n_epochs no_of_epochs train_epochs
    total_epochs epoch_count number_of_training_epochs num_training_epochs number_of_train_epochs max_epochs
    epochs_trained num_epoch epochs_number total_training_epochs épocas numero_de_épocas número_de_épocas
    époques nombre_d_époques epochen anzahl_epochen 训练轮数 训练轮次 轮数 轮次 训练周期 迭代轮数 エポック数
    エポック 에폭 에포크 에폭_수 에포크_수 số_epoch số_epochs эпохи количество_эпох число_эпох epoche
training_steps: max_steps steps total_steps number_of_steps num_steps train_steps max_train_steps
    total_training_steps number_of_training_steps num_training_steps optimizer_steps optimization_steps
    max_training_steps training_iterations 训练步数 总步数 ステップ数 학습_스텝
label_smoothing_factor: label_smoothing smoothing_factor
weight_decay: weight_decay_rate wd decay_weight l2_regularization 权重衰减 重み減衰 가중치_감쇠
    decaimento_de_peso
max_grad_norm: gradient_clipping grad_clip gradient_clip max_gradient_norm gradient_clip_val
    gradient_clipping_norm clip_grad_norm grad_norm_clip 梯度裁剪
max_seq_length: max_sequence_length maximum_sequence_length max_seq_len sequence_length max_sequence_len
    sequence_len seq_length seq_len cutoff_len max_token_length
max_length: maximum_length max_len 最大长度 最大序列长度
resolution: image_resolution training_resolution train_resolution
image_size: input_image_size
lora_r: lora_rank lora_r_rank rank r rank_r lora_rank_r lora_dim lora_dimension lora秩
lora_alpha: lora_scaling_alpha alpha_α
lora_dropout: lora_drop_out
adam_beta1: adam_beta_1
adam_beta2: adam_beta_2
adam_epsilon: adam_eps
optim:
gradient_checkpointing:
neftune_noise_alpha: neftune_alpha
logging_steps: logging_step
save_steps: save_step
eval_steps: evaluation_steps eval_step
"""

# The metric's key, then what it is also called.
_METRICS = """
accuracy: acc acurácia exactitud genauigkeit 准确率 精度 正解率 정확도 độ_chính_xác точность
precision: precisão precisión précision 精确率 適合率 정밀도
recall: revocação exhaustividad rappel 召回率 再現率 재현율 полнота
loss: perda pérdida perte verlust 损失 損失 손실
f1: f1score f_1 f1_measure f1_value f1_metric f1值 f1分数
wer: word_error_rate
cer: character_error_rate char_error_rate
mse: mean_squared_error
rmse: root_mean_squared_error
mae: mean_absolute_error
r2: r_squared r² r2_score
rouge1: rouge_1
rouge2: rouge_2
rougel: rouge_l
rougelsum: rouge_lsum rouge_l_sum
chrf: chr_f
sacrebleu: sacre_bleu
bertscore: bert_score
"""

PRECISION = {
    "mixed_precision_training", "training_precision", "training_regime", "mixed_precision", "precision_training",
    "precision", "numerical_precision", "compute_precision", "training_dtype", "dtype", "data_type", "precision_mode",
    "training_data_type", "precision_type", "mixed_precision_mode", "floating_point_precision", "numeric_precision",
    "amp", "混合精度", "精度", "训练精度", "混合精度训练", "precisão_de_treinamento", "precisão_mista",
    "precisión_mixta", "précision_mixte", "混合精度学習", "혼합_정밀도",
}  # fmt: skip
GPU = {
    "hardware", "gpu", "gpus", "hardware_type", "gpu_model", "gpu_type", "accelerator", "training_hardware", "device",
    "hardware_used", "gpu_used", "training_device", "gpu_name", "compute_hardware", "trained_on_hardware",
    "training_gpu", "硬件", "显卡", "训练硬件", "하드웨어", "ハードウェア",
}  # fmt: skip
OTHER_HARDWARE = {
    "cpu_model": "cpu", "cpu": "cpu", "ram_size": "ram", "ram": "ram", "cuda_version": "cuda", "cuda": "cuda",
    "cuda_toolkit": "cuda",
}  # fmt: skip
BASE_MODEL = {"base_model", "base_model_name", "pretrained_model", "基座模型", "基础模型"}
LORA = {
    "lora", "qlora", "lora_config", "lora_configuration", "lora_parameters", "lora_settings", "adapter", "peft",
    "peft_method",
}  # fmt: skip
WARMUP = {"warmup", "warm_up", "lr_warmup", "learning_rate_warmup"}
# Headers of a table whose first column names and whose second states.
NAME_HEADERS = {
    "parameter", "parameters", "hyperparameter", "hyperparameters", "hyper_parameter", "setting", "metric", "metrics",
    "component", "package", "library", "framework", "name", "item", "key", "argument", "config", "configuration",
    "property", "attribute", "software", "dependency", "tool", "option", "field", "module", "参数", "指标", "依赖",
    "依赖包", "名称", "组件", "库", "包", "항목", "파라미터", "métrica", "parâmetro",
}  # fmt: skip
VALUE_HEADERS = {
    "value", "values", "score", "scores", "result", "results", "setting", "settings", "version", "versions", "detail",
    "details", "configuration", "test", "wert", "valor", "valeur", "参数值", "值", "数值", "取值", "版本", "版本号",
    "版本要求", "设置", "값", "버전", "値",
}  # fmt: skip


def _by_name(text: str) -> Dict[str, str]:
    """Every name of an entry (``key: name name``; what is indented goes on) to its key, which is one of them."""
    names: Dict[str, str] = {}
    for entry in text.replace("\n    ", " ").strip().split("\n"):
        key, _, others = entry.partition(":")
        names.update(dict.fromkeys([key, *others.split()], key))
    return names


HYPERPARAMETERS = _by_name(_HYPERPARAMETERS)
METRICS = _by_name(_METRICS)
