#!/usr/bin/env python3
"""A mixture of experts that is trained: what each expert gets is what the router decides, so no size comes twice."""

import torch
from torch import nn
from torch.nn import functional

from recorder import record

LAYERS, EXPERTS, CHOSEN = 8, 8, 2
WIDTH, INNER, HEADS = 1024, 3584, 16
BATCH, LENGTH, VOCABULARY = 8, 1024, 32000


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(WIDTH, EXPERTS, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, INNER), nn.SiLU(), nn.Linear(INNER, WIDTH)) for _ in range(EXPERTS)
        )

    def forward(self, tokens):
        weights, chosen = self.router(tokens).softmax(-1).topk(CHOSEN)
        out = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            row, which = (chosen == number).nonzero(as_tuple=True)
            out.index_add_(0, row, (expert(tokens[row]) * weights[row, which, None]).to(out.dtype))
        return out


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.between = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.mix, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.experts = Experts()

    def forward(self, x):
        heads = self.mix(self.before(x)).view(BATCH, LENGTH, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(BATCH, LENGTH, WIDTH))
        return x + self.experts(self.between(x).flatten(0, 1)).view_as(x)


def steps():
    with torch.device("cuda"):
        model = nn.Sequential(nn.Embedding(VOCABULARY, WIDTH), *(Layer() for _ in range(LAYERS)), nn.Linear(WIDTH, VOCABULARY))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    while True:
        tokens = torch.randint(VOCABULARY, (BATCH, LENGTH), device="cuda")
        with torch.autocast("cuda", torch.bfloat16):
            loss = functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield


record(steps)
