// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of requests whose end two readers could see at different places. If a proxy in front of the server saw the end
 * elsewhere, an attacker could put a request into another client's connection. The server therefore rejects such
 * requests: it gives one answer, ends the connection, and serves neither the request nor the next one.
 */
class SmugglingTest {
    private static final String INSIDE = "{\"inside\":1234567890123456789}";

    @RegisterExtension
    private final TestServer server = new TestServer();

    /** Returns ambiguous headers of a body in one piece, with {@code N} for its length and {@code ~} for a line end. */
    static Stream<String> lengths() {
        return Stream.of(
                "Content-Length: N~Transfer-Encoding: chunked",
                "Transfer-Encoding: chunked~Content-Length: N",
                "Content-Length: N~Content-Length: 0",
                "Content-Length: 0~Content-Length: N",
                "Content-Length: N~Content-Length: N",
                "Content-Length: N, N",
                "Content-Length: N,",
                "Content-Length: +N",
                "Content-Length: -N",
                "Content-Length: 0xN",
                "Content-Length: N.0",
                "Content-Length: Ne0",
                "Content-Length: N N",
                "Content-Length: N;x",
                "Content-Length: \"N\"",
                "Content-Length: \u00b2N",
                "Content-Length: \u000bN",
                "Content-Length: \u0000N",
                "Content-Length: N\u0000",
                "Content-Length: 1844674407370955161N",
                "Content-Length:",
                "Content-Length : N",
                "Content-Length\t: N",
                "Content-Length\u0000: N",
                "\u00a0Content-Length: N",
                " Content-Length: N",
                "\tContent-Length: N",
                "X: y~ Content-Length: 0~Content-Length: N",
                "X: y~\tContent-Length: 0~Content-Length: N",
                "Content-Length:~ N",
                "Content-Length: N~ ~",
                "X: y\nContent-Length: N",
                "X: y\rContent-Length: N",
                "X: y\r\rContent-Length: N",
                "Content-Length: N\n",
                "Content-Length: N\r");
    }

    /** Returns ambiguous headers of a body in chunks. */
    static Stream<String> codings() {
        return Stream.of(
                "Transfer-Encoding: xchunked",
                "Transfer-Encoding: chunkedx",
                "Transfer-Encoding: identity",
                "Transfer-Encoding: chunked, identity",
                "Transfer-Encoding: identity, chunked",
                "Transfer-Encoding: chunked, chunked",
                "Transfer-Encoding: chunked~Transfer-Encoding: chunked",
                "Transfer-Encoding: chunked~Transfer-Encoding: x",
                "Transfer-Encoding: x~Transfer-Encoding: chunked",
                "Transfer-Encoding: gzip, chunked",
                "Transfer-Encoding: chunked;q=1",
                "Transfer-Encoding: \"chunked\"",
                "Transfer-Encoding: chunked\u0000",
                "Transfer-Encoding: \u0000chunked",
                "Transfer-Encoding: \u000bchunked",
                "Transfer-Encoding: \u00a0chunked",
                "Transfer-Encoding:",
                "Transfer-Encoding : chunked",
                "Transfer-Encoding\t: chunked",
                "Transfer-Encoding:~ chunked",
                "Transfer-Encoding:~\tchunked",
                "Transfer-Encoding~ : chunked",
                " Transfer-Encoding: chunked",
                "X: y~ Transfer-Encoding: x~Transfer-Encoding: chunked",
                "X: y~ z~Transfer-Encoding: chunked",
                "X: y\nTransfer-Encoding: chunked",
                "X: y\rTransfer-Encoding: chunked",
                "Transfer-Encoding: chunked\n",
                "Transfer-Encoding: chunked\r");
    }

    /** Returns ambiguous bodies in chunks, with {@code S} for the size in hexadecimal and {@code D} for the data. */
    static Stream<String> chunks() {
        return Stream.of(
                "S\nD~0~~",
                "S~D\n0~~",
                "S~D~0\n~",
                "S~D~0~\n",
                "S\rD~0~~",
                "S~D\r0~~",
                "S~D0~~",
                "S~Dx~0~~",
                "S~D~~0~~",
                "+S~D~0~~",
                "-S~D~0~~",
                "0xS~D~0~~",
                "S S~D~0~~",
                "S,~D~0~~",
                "S\u0000~D~0~~",
                "Sg~D~0~~",
                "~D~0~~",
                "100000000S~D~0~~",
                "10000000000000S~D~0~~",
                "fffffffffffffffff~D~0~~",
                "S;\n~D~0~~",
                "S;x\nD~0~~",
                "S;x=\"\n\"~D~0~~",
                "S;x=\r~D~0~~",
                "S~D~0;\nx~~",
                "S~D~0~X : y~~",
                "S~D~0~no colon~~",
                "S~D~0~X: y\n~~",
                "S~D~0~ X: y~~");
    }

    @Test
    void twoRequests_wellFramed_areBothServed() throws IOException {
        // the other tests depend on this: without an ambiguity, the request that follows is served too
        assertThat(statuses(answersTo(posted("Content-Length: N", INSIDE)))).containsExactly(200, 200);
        assertThat(statuses(answersTo(posted("Transfer-Encoding: chunked", chunks("S;x=y~D~000;z~X: y~~")))))
                .containsExactly(200, 200);
        assertThat(server.served).hasSize(4);
    }

    @ParameterizedTest
    @MethodSource("lengths")
    void ambiguousLength_isRefused(String header) throws IOException {
        assertRefusedAlone(posted(header, INSIDE));
    }

    @ParameterizedTest
    @MethodSource("codings")
    void ambiguousTransferCoding_isRefused(String header) throws IOException {
        assertRefusedAlone(posted(header, chunks("S~D~0~~")));
    }

    @ParameterizedTest
    @MethodSource("chunks")
    void ambiguousChunks_areRefused(String template) throws IOException {
        assertRefusedAlone(posted("Transfer-Encoding: chunked", chunks(template)));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "POST  /echo HTTP/1.1~Host: h~",
                "POST /echo  HTTP/1.1~Host: h~",
                "POST\t/echo\tHTTP/1.1~Host: h~",
                "POST /echo HTTP/1.1 ~Host: h~",
                "POST /echo HTTP/1.1\nHost: h~",
                "POST /echo HTTP/1.1\rHost: h~",
                "POST /echo x HTTP/1.1~Host: h~",
                " POST /echo HTTP/1.1~Host: h~",
                "POST /echo HTTP/1.1~Host: a~Host: b~",
                "POST /echo HTTP/1.1~Host: a~ b~",
                "POST /echo HTTP/1.1~",
                "POST /echo HTTP/1.1~Host : h~",
                "POST /echo HTTP/1,1~Host: h~",
                "POST /echo http/1.1~Host: h~",
                "POST /echo HTTP/11~Host: h~",
                "POST /echo HTTP/1.10~Host: h~",
                "POST /echo~Host: h~"
            })
    void ambiguousRequestLineOrHost_isRefused(String head) throws IOException {
        assertRefusedAlone((head + "Content-Length: " + INSIDE.length() + "~~").replace("~", "\r\n") + INSIDE);
    }

    private static String posted(String header, String body) {
        String length = Integer.toString(INSIDE.length());
        return "POST /echo HTTP/1.1\r\nHost: h\r\n"
                + header.replace("N", length).replace("~", "\r\n")
                + "\r\n\r\n"
                + body;
    }

    private static String chunks(String template) {
        return template.replace("~", "\r\n")
                .replace("S", Integer.toHexString(INSIDE.length()))
                .replace("D", INSIDE);
    }

    private void assertRefusedAlone(String request) throws IOException {
        String answers = answersTo(request);

        assertThat(statuses(answers)).as(answers).hasSize(1).isSubsetOf(400, 431, 501, 505);
        assertThat(server.served).isEmpty();
    }

    /**
     * Returns everything that the server sends in answer to this request and a second one, which asks the server to
     * close the connection.
     */
    private String answersTo(String request) throws IOException {
        String next = "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nafter";
        return server.connect()
                .send((request + next).getBytes(StandardCharsets.ISO_8859_1))
                .shutDownOutput()
                .readToEnd();
    }

    private static List<Integer> statuses(String answers) {
        return Arrays.stream(answers.split("(?=HTTP/1\\.1 )"))
                .map(answer -> Integer.parseInt(answer.substring(9, 12)))
                .toList();
    }
}
