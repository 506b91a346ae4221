"""tea-tasting on a plain file of units, through Ibis and DuckDB: run by its own environment's interpreter.

    python tea_tasting.py FILE METRICS

Prints seconds of the analysis, imports aside, and the effect on the first metric.
"""

import json
import sys
import time

if __name__ == "__main__":
    sys.path.pop(0)  # this file is called as the package is
    import ibis
    import tea_tasting as tt

    file, metrics = sys.argv[1], int(sys.argv[2])
    asked = {f"m{i}": tt.Mean(f"m{i}", equal_var=False) for i in range(metrics)}
    few = ibis.memtable({"variant": ["control", "new"] * 3, **{name: [1.0, 2.0, 3.0, 5.0, 4.0, 6.0] for name in asked}})
    tt.Experiment({"m0": asked["m0"], "ratio": tt.SampleRatio()}).analyze(few, control="control")  # what imports late
    begun, used = time.perf_counter(), time.process_time()
    table = ibis.duckdb.connect().read_parquet(file)
    found = tt.Experiment({**asked, "ratio": tt.SampleRatio()}).analyze(table, control="control")
    effect = found["m0"].effect_size
    spent = {"seconds": time.perf_counter() - begun, "processor": time.process_time() - used}
    print(json.dumps({**spent, "effect": effect}))
