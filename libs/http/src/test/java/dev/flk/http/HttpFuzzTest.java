// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.PlainRequests.Plain;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.testing.FuzzedConnection;
import dev.flk.http.testing.FuzzedConnection.Answering;
import dev.flk.http.testing.FuzzedConnection.Seen;
import dev.flk.sample.FuzzInputs;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.params.provider.ArgumentsSource;

/** Fuzz tests that send any bytes, in any pieces, through the server's own handlers; see {@link FuzzedConnection}. */
class HttpFuzzTest {
    static final int MAX_BODY_BYTES = 200;
    private static final int MAX_BATCH_BYTES = 300;
    private static final int MOST_CUTS = 8;
    private static final Duration LONG = Duration.ofMinutes(10);
    private static final Pattern ANSWER = Pattern.compile(
            "HTTP/1\\.1 ([0-9]{3}) [A-Za-z -]+\r\n((?:[A-Za-z-]+: [ -~]*\r\n)+)\r\n(.*)", Pattern.DOTALL);
    private static final Pattern LENGTH = Pattern.compile("Content-Length: ([0-9]+)\r\n");

    /**
     * Tests that the answers, and the bodies that the endpoint gets, depend only on the bytes: neither on the pieces in
     * which they arrive nor on the time at which the endpoint answers. Each request is answered once, with valid HTTP.
     * As far as {@link PlainRequests} can read the bytes, the endpoint gets exactly the bodies in them.
     */
    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyBytes_splitAnywhere_meanTheSame(FuzzedDataProvider data) {
        int[] cuts = IntStream.range(0, data.consumeInt(0, MOST_CUTS))
                .map(i -> data.consumeInt(0, 4096))
                .toArray();
        byte[] bytes = data.consumeRemainingAsBytes();

        Seen complete = send(List.of(bytes), Answering.AT_ONCE);

        assertThat(send(FuzzedConnection.cut(bytes, cuts), Answering.AT_THE_END))
                .isEqualTo(complete);
        int[] everywhere = IntStream.range(0, bytes.length).toArray();
        assertThat(send(FuzzedConnection.cut(bytes, everywhere), Answering.AT_ONCE))
                .isEqualTo(complete);
        complete.answers().forEach(HttpFuzzTest::assertIsAnswer);
        assertSaysWhatIsPlain(complete, PlainRequests.of(bytes));
    }

    /** Sends the pieces to a new server, with the paths that the stored inputs use. */
    private static Seen send(List<byte[]> pieces, Answering answering) {
        FuzzedConnection connection = new FuzzedConnection(answering);
        HttpServer server = new HttpServer(
                new HttpOptions(
                        "test", 1, 10, 1000, MAX_BODY_BYTES, 16 << 20, 8 << 20, LONG, LONG, LONG, Duration.ZERO),
                HttpEvents.NONE,
                () -> Instant.EPOCH,
                () -> 0);
        Endpoint.Handler echo = (request, exchange) -> {
            byte[] body = request.body().exact();
            Answer answer = Answer.json(200, ('"' + hex(body) + '"').getBytes(StandardCharsets.US_ASCII));
            connection.serve(body, () -> exchange.answer(answer));
        };
        Routes routes = new Routes(Endpoint.always(Refusal.notFound()))
                .post("/v1/pcs/submit", Endpoint.withBody(MAX_BODY_BYTES, echo))
                .post("/v1/pcs/batch", Endpoint.withBody(MAX_BATCH_BYTES, echo))
                .get("/v1/pcs/*", Endpoint.asking((request, exchange) -> exchange.answer(Refusal.notFound())))
                .get("/health", Endpoint.always(Answer.text(200, "OK")));
        return connection.send(
                server,
                new Listener(new InetSocketAddress(0), "here", "PORT", "too many", routes, Admission.ALL, null),
                pieces);
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    /** Checks the form of an answer. The body may be missing, because the request may have been a HEAD. */
    private static void assertIsAnswer(String answer) {
        Matcher parts = ANSWER.matcher(answer);
        assertThat(parts.matches()).as(answer).isTrue();
        Matcher length = LENGTH.matcher(parts.group(2));
        assertThat(length.find()).as(answer).isTrue();
        assertThat(parts.group(3).length()).as(answer).isIn(0, Integer.parseInt(length.group(1)));
        assertThat(length.find()).as("twice in " + answer).isFalse();
        assertThat(parts.group(1)).isNotEqualTo("500");
    }

    private static void assertSaysWhatIsPlain(Seen seen, PlainRequests plain) {
        List<String> expected = plain.requests().stream()
                .filter(Plain::isServed)
                .map(Plain::body)
                .toList();
        int submitted = plain.areAll()
                ? seen.submitted().size()
                : Math.min(seen.submitted().size(), expected.size());
        assertThat(seen.submitted().subList(0, submitted)).isEqualTo(expected);
        int answers = seen.answers().size();
        assertThat(plain.areAll() ? answers : Math.min(answers, plain.requests().size()))
                .as("answers to what is plain")
                .isEqualTo(plain.requests().size());
        for (int i = 0; i < plain.requests().size(); i++) {
            Plain request = plain.requests().get(i);
            if (request.isServed()) {
                String body = hex(request.body().getBytes(StandardCharsets.ISO_8859_1));
                assertThat(seen.answers().get(i)).endsWith("\r\n\r\n\"" + body + "\"");
            }
        }
    }
}
