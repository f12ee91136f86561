#!/usr/bin/env python3
"""Inference in Llama's shape: graphs captured into a pool they share, and played, eager work, a pool of the program's own."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from recorder import record

SIZES = [16, 8, 4]


def captured(model, tokens, pool):
    """A graph of the model on these tokens, after runs that warm up beside it."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(2):
            model(input_ids=tokens, use_cache=False)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        answer = model(input_ids=tokens, use_cache=False)
    return graph, answer


@torch.inference_mode()
def steps():
    shape = LlamaConfig(
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=12,
        num_attention_heads=16,
        num_key_value_heads=4,
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(shape).eval()
    shared = torch.cuda.graph_pool_handle()
    inputs = [torch.randint(shape.vocab_size, (size, 256), device="cuda") for size in SIZES]
    graphs = [captured(model, tokens, shared) for tokens in inputs]
    yield
    own = torch.cuda.MemPool()
    while True:
        for graph, _ in graphs:
            graph.replay()
        eager = model(input_ids=inputs[0][:, torch.randint(256, (64,), device="cuda")], use_cache=False)
        with torch.cuda.use_mem_pool(own):
            kept = eager.logits.float().softmax(-1)
        del eager, kept
        torch.cuda.empty_cache()
        yield


record(steps)
