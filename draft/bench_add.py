class Speed(NamedTuple):
    tokens_per_second: float
    operations_per_token: float

def training(kind, tokenizer, shape, tokens=1024, steps=4) -> Speed: ...
