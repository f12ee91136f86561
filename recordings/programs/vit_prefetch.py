#!/usr/bin/env python3
"""ViT-B/16 under bf16 autocast, trained on batches of random size that a side stream copies in ahead."""

import random

import torch
import torchvision

from recorder import record

LARGEST_BATCH = 96


class Prefetched:
    """Batches in pinned host memory, each copied on a side stream while the one before is trained on."""

    def __init__(self):
        self.stream = torch.cuda.Stream()
        self.images = torch.randn(LARGEST_BATCH, 3, 224, 224).pin_memory()
        self.labels = torch.randint(1000, (LARGEST_BATCH,)).pin_memory()
        self.copy_next()

    def copy_next(self):
        size = random.randint(LARGEST_BATCH // 4, LARGEST_BATCH)
        with torch.cuda.stream(self.stream):
            self.coming = [
                self.images[:size].to("cuda", non_blocking=True),
                self.labels[:size].to("cuda", non_blocking=True),
            ]

    def batch(self):
        compute = torch.cuda.current_stream()
        compute.wait_stream(self.stream)
        here = self.coming
        for tensor in here:
            tensor.record_stream(compute)
        self.copy_next()
        return here


def steps():
    model = torchvision.models.vit_b_16(weights=None).cuda()
    optimizer = torch.optim.AdamW(model.parameters())
    batches = Prefetched()
    while True:
        images, labels = batches.batch()
        with torch.autocast("cuda", torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield


record(steps)
