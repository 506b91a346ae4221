"""The grammar of the deployment file, a file a part: every key that is built, with its shape, default and meaning, and
every key of the design that is not built yet, with what to do instead. Reader, JSON Schema and reference tables come
from it. The whole is ``seatrial.spec.grammar.whole.DEPLOYMENT``.
"""
