#!/usr/bin/env python3
"""A 1.1B model in Llama's shape, fully fine-tuned on batches of four with a random length each."""

import random

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from recorder import record


def steps():
    shape = LlamaConfig(
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=22,
        num_attention_heads=32,
        num_key_value_heads=4,
        use_cache=False,
    )
    with torch.device("cuda"):
        model = LlamaForCausalLM(shape)
    optimizer = torch.optim.AdamW(model.parameters())
    while True:
        tokens = torch.randint(shape.vocab_size, (4, random.randint(400, 3100)), device="cuda")
        with torch.autocast("cuda", torch.bfloat16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield


record(steps)
