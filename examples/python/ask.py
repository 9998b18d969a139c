"""Asks DocuQuery a question, twice: for the whole answer, and for one as it is written.

python ask.py "When is the office open?"    with DOCUQUERY_ADDRESS set (and DOCUQUERY_API_KEY for keys)
"""

import os
import sys
import time
from pathlib import Path

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status import rpc_status

from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub

SERVICE_CONFIG = Path(__file__).parents[1] / "service-config.json"
TRIES = 3


def details(error):
    """The reason (ErrorInfo) and the seconds to wait (RetryInfo; None: do not try again by yourself)."""
    reason, wait = error.code().name, None
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        if detail.Is(ErrorInfo.DESCRIPTOR):
            info = ErrorInfo.FromString(detail.value)
            reason = info.reason
        elif detail.Is(RetryInfo.DESCRIPTOR):
            wait = RetryInfo.FromString(detail.value).retry_delay.ToNanoseconds() / 1e9
    return reason, wait


def patiently(call, seconds):
    """What `call(timeout)` gives within `seconds`; waits and tries again when the server says when."""
    end = time.monotonic() + seconds
    for tries_left in reversed(range(TRIES)):
        try:
            return call(end - time.monotonic())
        except grpc.RpcError as error:
            reason, wait = details(error)
            if not tries_left or wait is None or time.monotonic() + wait >= end:
                raise
            print(f"{reason}: again in {wait:.1f} s", file=sys.stderr)
            time.sleep(wait)


def read_stream(stub, question, metadata, timeout):
    """The answer of StreamQuery. An answer without `completed` is incomplete, whatever its status."""
    text, result = "", None
    for event in stub.StreamQuery(pb.StreamQueryRequest(query=question), timeout=timeout, metadata=metadata):
        text += event.text_delta  # show it as it comes
        if event.HasField("completed"):
            result = event.completed
    if result is None:
        raise RuntimeError("the stream ended before the answer did")
    return result.answer or text


def main():
    address = os.environ["DOCUQUERY_ADDRESS"]
    metadata = [("authorization", f"Bearer {os.environ.get('DOCUQUERY_API_KEY', '')}")]
    options = [
        ("grpc.service_config", SERVICE_CONFIG.read_text()),  # gRPC repeats reads by itself
        ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ]
    question = pb.QueryRequest(question=sys.argv[1])
    # With TLS: grpc.secure_channel(address, grpc.ssl_channel_credentials(), options)
    with grpc.insecure_channel(address, options) as channel:
        stub = DocuQueryServiceStub(channel)
        result = patiently(
            lambda timeout: stub.Query(question, timeout=timeout, metadata=metadata), 30
        ).result
        print(f"answer: {result.answer}")
        for citation in result.citations:
            print(f"cites {citation.filename}: {citation.quote}")
        streamed = patiently(lambda timeout: read_stream(stub, question, metadata, timeout), 30)
        print(f"streamed: {streamed}")


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"{details(error)[0]}: {error.details()}")
