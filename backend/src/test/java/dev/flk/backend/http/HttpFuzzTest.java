// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.flk.backend.http.FuzzedConnection.Answering;
import dev.flk.backend.http.FuzzedConnection.Seen;
import dev.flk.backend.http.PlainRequests.Plain;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/** Any bytes from a client, in any pieces, through the server's own handlers; see {@link FuzzedConnection}. */
class HttpFuzzTest {
    private static final int MOST_CUTS = 8;
    private static final Pattern ANSWER = Pattern.compile(
            "HTTP/1\\.1 ([0-9]{3}) [A-Za-z -]+\r\n((?:[A-Za-z-]+: [ -~]*\r\n)+)\r\n(.*)", Pattern.DOTALL);
    private static final Pattern LENGTH = Pattern.compile("Content-Length: ([0-9]+)\r\n");

    /**
     * What is answered, and what ingest gets, depends on the bytes alone, not on how they come and when ingest answers; each request is
     * answered once, with valid HTTP; and as far as the bytes are plain, ingest gets just what they say.
     */
    @FuzzTest
    void anyBytes_meanTheSameInAnyPieces(FuzzedDataProvider data) {
        int[] cuts = IntStream.range(0, data.consumeInt(0, MOST_CUTS))
                .map(i -> data.consumeInt(0, 4096))
                .toArray();
        byte[] bytes = data.consumeRemainingAsBytes();

        Seen whole = FuzzedConnection.send(List.of(bytes), Answering.AT_ONCE);

        assertThat(FuzzedConnection.send(FuzzedConnection.cut(bytes, cuts), Answering.AT_THE_END))
                .isEqualTo(whole);
        int[] everywhere = IntStream.range(0, bytes.length).toArray();
        assertThat(FuzzedConnection.send(FuzzedConnection.cut(bytes, everywhere), Answering.AT_ONCE))
                .isEqualTo(whole);
        whole.answers().forEach(HttpFuzzTest::assertIsAnswer);
        assertSaysWhatIsPlain(whole, PlainRequests.of(bytes));
    }

    /** The body may be missing, where it was asked for by HEAD. */
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
        List<String> expected = new ArrayList<>();
        for (Plain request : plain.requests()) {
            expected.addAll(request.submissions());
        }
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
            if (request.method().equals("POST") && request.target().equals("/v1/pcs/submit")) {
                String body = PlainRequests.hex(request.body().getBytes(StandardCharsets.ISO_8859_1));
                assertThat(seen.answers().get(i)).endsWith("\r\n\r\n\"" + body + "\"");
            }
        }
    }

    /** The lines of a batch, against a plain splitter; each has its answer, in its place. */
    @FuzzTest
    void anyBatch_isSplitIntoItsLines(byte[] body) {
        byte[] head = ("POST /v1/pcs/batch HTTP/1.1\r\nHost: h\r\nContent-Length: " + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
        String text = new String(body, StandardCharsets.ISO_8859_1);

        for (Answering answering : Answering.values()) {
            Seen seen = FuzzedConnection.send(List.of(head, body), answering);

            assertThat(seen.answers()).hasSize(1);
            String answer = seen.answers().get(0);
            assertIsAnswer(answer);
            int lines = PlainLines.of(text).size();
            if (body.length > FuzzedConnection.MAX_BATCH_BYTES || lines > FuzzedConnection.MAX_BATCH_LINES) {
                assertThat(answer).startsWith("HTTP/1.1 413 ");
                assertThat(seen.submitted()).isEmpty();
            } else if (lines == 0) {
                assertThat(answer).startsWith("HTTP/1.1 400 ");
                assertThat(seen.submitted()).isEmpty();
            } else {
                assertThat(answer).startsWith("HTTP/1.1 200 ").endsWith("\r\n\r\n" + PlainLines.answer(text));
                assertThat(seen.submitted()).isEqualTo(PlainLines.submitted(text));
            }
        }
    }
}
