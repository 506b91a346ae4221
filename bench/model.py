"""The model that every contestant serves: logistic regression on 30 real features (breast cancer data), as ONNX.

And a forest on the same features, for what a larger model does.
"""

import json
from pathlib import Path

NAMES = tuple(f"f{i:02d}" for i in range(30))


def make_model(place: Path, *, trees: int = 0) -> None:
    """Write ``model.onnx``, ``reference.parquet`` and ``features.json`` (one row by name) into ``place``.

    Args:
        trees: Make a random forest of so many trees; 0: logistic regression.
    """
    # Rivals read NAMES in environments that have none of these.
    import numpy as np
    import pandas as pd
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    rows = data.data.astype(np.float32)
    if trees:
        model = RandomForestClassifier(trees, random_state=1, n_jobs=1).fit(rows, data.target)
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows, data.target)
    graph = to_onnx(model, rows[:1], options={"zipmap": False}, target_opset=17)
    (place / "model.onnx").write_bytes(graph.SerializeToString())
    frame = pd.DataFrame(rows.astype(float), columns=list(NAMES))
    frame["target"] = data.target
    frame.to_parquet(place / "reference.parquet")
    (place / "features.json").write_text(json.dumps(dict(zip(NAMES, map(float, rows[0]), strict=True))))
