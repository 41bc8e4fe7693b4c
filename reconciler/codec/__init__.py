"""
Lines of batch files: bytes in, values out.

Pure: opens no file, reads no clock, writes no log line. What cannot be read as what it must be raises
BadLine, with the file, the line and a reason that is safe to print; no other error leaves this package.

    jsonl       split a stream into lines; decode one line strictly
    request     an input line of any provider -> its id, or a Request
    result      an answer line of any provider -> a Verdict, or a Result
    plain       the short way for plainly written lines: the id, or nothing
    passing     the short way for plain answers: JSON text for the results, or nothing
    openai      the members of an OpenAI-shaped answer (also Azure, Mistral, vLLM, OGX)
    anthropic   the members of an Anthropic answer
    gemini      the members of a Gemini answer
    failure     an error member of any shape -> a failed Result
    wire        ids of lines: replaced on the way out, put back on the way home
    classify    a provider's error words and status -> an ErrorClass
"""
