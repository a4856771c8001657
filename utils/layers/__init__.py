"""What the layers of a model have: retrieval, similarity, answers and directions, measured at each of them.

A record of a measure has `rows`, one for each layer and pooling:

    {"layer": 3, "depth": 0.25, "pooling": "mean", "f1": 0.81, "f1_low": 0.78, "f1_high": 0.84, ...}

`layer` counts from 0 (the embeddings of tokens), `depth` is its share of all layers, `pooling` is null where nothing is
pooled and "own" where the checkpoint decides it. The figures are those that the measure's row in `measures.py` names;
one with an interval has it as `<name>_low` and `<name>_high`. A figure that does not exist at a layer is null.
"""
