#!/usr/bin/env python3
"""A 3B model in Llama's shape that serves: batches of random size and prompt come and go, caches grow token by token."""

import random

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from recorder import record

IN_FLIGHT = 3


class Batch:
    def __init__(self, vocabulary):
        size, prompt = random.randint(4, 24), random.randint(64, 1500)
        self.tokens = torch.randint(vocabulary, (size, prompt), device="cuda")
        self.left = random.randint(2, 8)
        self.cache = DynamicCache()

    def step(self, model):
        answer = model(input_ids=self.tokens, past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        self.tokens = answer.logits[:, -1:].argmax(-1)
        self.left -= 1


@torch.inference_mode()
def steps():
    shape = LlamaConfig(
        hidden_size=3072,
        intermediate_size=8192,
        num_hidden_layers=28,
        num_attention_heads=24,
        num_key_value_heads=8,
        vocab_size=128256,
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(shape).eval()
    batches = []
    while True:
        while len(batches) < IN_FLIGHT:
            batches.append(Batch(shape.vocab_size))
        for batch in batches:
            batch.step(model)
        batches = [batch for batch in batches if batch.left > 0]
        yield


record(steps)
