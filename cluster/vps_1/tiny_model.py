# Torch and transformers are installed on VPS_1 alone, so that checkers do not find them.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""Make a chat model of Llama's architecture with random weights: `python tiny_model.py FOLDER`.

Run with VPS_1's interpreter. Nothing is fetched: the tokenizer is trained on the lines below. The
model ends an answer only where a schema leaves it no other word, so that each is as long as its
limit says.
"""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WINDOW_TOKENS = 4096
BEGIN, END, PAD = "<begin>", "<end>", "<pad>"
CERTAINTY = 30
"""Logits of random weights are about 0.2 wide; of these, 5, beside a 0 for the end."""
LINES = (
    "def double(number):\n    return number * 2\n",
    "for name in sorted(names):\n    print(name)\n",
    "Please write a test that fails before the fix and passes after it.",
    "The answer is yes. The answer is no.",
)
TEMPLATE = (
    BEGIN
    + "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    + "{% if add_generation_prompt %}assistant: {% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Train one on the lines."""
    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[BEGIN, END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pairs.train_from_iterator(LINES, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=pairs, bos_token=BEGIN, eos_token=END, pad_token=PAD
    )
    made.chat_template = TEMPLATE
    return made


def main(folder: Path) -> None:
    """Make the model in `folder`."""
    words = tokenizer()
    words.save_pretrained(folder)
    torch.manual_seed(7)
    shape = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=WINDOW_TOKENS,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    model = LlamaForCausalLM(shape)
    with torch.no_grad():
        model.lm_head.weight.mul_(CERTAINTY)
        model.lm_head.weight[words.eos_token_id] = 0
    model.to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
