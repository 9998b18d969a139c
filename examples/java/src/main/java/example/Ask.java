package example;

import com.google.gson.Gson;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import docuquery.gateway.v1.DocuQueryServiceGrpc;
import docuquery.gateway.v1.DocuqueryService.QueryRequest;
import docuquery.gateway.v1.DocuqueryService.QueryResult;
import docuquery.gateway.v1.DocuqueryService.StreamQueryRequest;
import docuquery.gateway.v1.DocuqueryService.StreamQueryResponse;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Asks DocuQuery a question, twice: for the whole answer, and for one as it is written.
 *
 * <p>mvn compile exec:java -Dexec.args="'When is the office open?'" with DOCUQUERY_ADDRESS set
 * (and DOCUQUERY_API_KEY for keys).
 */
public final class Ask {
  private static final Path SERVICE_CONFIG = Path.of("../service-config.json");
  private static final int TRIES = 3;

  /** The reason (ErrorInfo) and how long to wait (RetryInfo; null: do not try again by yourself). */
  record Details(String reason, Duration delay) {
    static Details of(StatusRuntimeException error) {
      String reason = error.getStatus().getCode().name();
      Duration delay = null;
      var status = StatusProto.fromThrowable(error);
      try {
        for (Any detail : status == null ? List.<Any>of() : status.getDetailsList()) {
          if (detail.is(ErrorInfo.class)) {
            reason = detail.unpack(ErrorInfo.class).getReason();
          } else if (detail.is(RetryInfo.class)) {
            var told = detail.unpack(RetryInfo.class).getRetryDelay();
            delay = Duration.ofSeconds(told.getSeconds(), told.getNanos());
          }
        }
      } catch (InvalidProtocolBufferException unreadable) {
        // A detail of another kind than it says: what was read before it stands.
      }
      return new Details(reason, delay);
    }
  }

  /** What the call gives within the time; waits and tries again when the server says when. */
  static <T> T patiently(
      DocuQueryServiceGrpc.DocuQueryServiceBlockingStub stub,
      Duration time,
      Function<DocuQueryServiceGrpc.DocuQueryServiceBlockingStub, T> call)
      throws InterruptedException {
    long end = System.nanoTime() + time.toNanos();
    for (int left = TRIES - 1; ; left--) {
      try {
        return call.apply(stub.withDeadlineAfter(end - System.nanoTime(), TimeUnit.NANOSECONDS));
      } catch (StatusRuntimeException error) {
        Details details = Details.of(error);
        Duration delay = details.delay();
        if (left == 0 || delay == null || delay.toNanos() >= end - System.nanoTime()) {
          throw error;
        }
        System.err.printf("%s: again in %d ms%n", details.reason(), delay.toMillis());
        Thread.sleep(delay.toMillis() + 1);
      }
    }
  }

  /** An answer without {@code completed} is incomplete, whatever its status. */
  static String readStream(Iterator<StreamQueryResponse> events) {
    String text = "";
    QueryResult result = null;
    while (events.hasNext()) {
      StreamQueryResponse event = events.next();
      text += event.getTextDelta(); // show it as it comes
      if (event.hasCompleted()) {
        result = event.getCompleted();
      }
    }
    if (result == null) {
      throw new IllegalStateException("the stream ended before the answer did");
    }
    return result.getAnswer();
  }

  public static void main(String[] arguments) throws Exception {
    Map<?, ?> config = new Gson().fromJson(Files.readString(SERVICE_CONFIG), Map.class);
    @SuppressWarnings("unchecked")
    Map<String, ?> serviceConfig = (Map<String, ?>) config;
    ManagedChannel channel =
        // With TLS: TlsChannelCredentials.create()
        Grpc.newChannelBuilder(System.getenv("DOCUQUERY_ADDRESS"), InsecureChannelCredentials.create())
            .defaultServiceConfig(serviceConfig) // gRPC repeats reads by itself
            .maxInboundMessageSize(16 << 20)
            .build();
    Metadata metadata = new Metadata();
    metadata.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER),
        "Bearer " + System.getenv().getOrDefault("DOCUQUERY_API_KEY", ""));
    var stub =
        DocuQueryServiceGrpc.newBlockingStub(channel)
            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata));
    QueryRequest question = QueryRequest.newBuilder().setQuestion(arguments[0]).build();
    StreamQueryRequest streaming = StreamQueryRequest.newBuilder().setQuery(question).build();
    Duration time = Duration.ofSeconds(30);
    try {
      QueryResult result = patiently(stub, time, call -> call.query(question)).getResult();
      System.out.println("answer: " + result.getAnswer());
      for (var citation : result.getCitationsList()) {
        System.out.printf("cites %s: %s%n", citation.getFilename(), citation.getQuote());
      }
      String streamed = patiently(stub, time, call -> readStream(call.streamQuery(streaming)));
      System.out.println("streamed: " + streamed);
    } catch (StatusRuntimeException error) {
      System.err.println(Details.of(error).reason() + ": " + error.getStatus().getDescription());
      System.exit(1);
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }
}
