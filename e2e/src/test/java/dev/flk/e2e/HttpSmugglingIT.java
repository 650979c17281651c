// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Requests whose end two readers could see at different places. A proxy in front that sees it elsewhere would let somebody
 * put a request into another's connection, so the backend takes none of these: one refusal, the connection ends, and
 * neither the certificate inside nor the one behind it is taken. Over a raw socket, at the real jar.
 */
final class HttpSmugglingIT {
    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of());

    /** Of a body in one piece, its length in place of {@code N}. */
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

    /** Of a body in chunks. */
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

    /** Bodies in chunks, with {@code S} for the size in hexadecimal and {@code D} for the data. */
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
    void twoRequests_wellFramed_areBothServed() throws Exception {
        // what the others rest upon: the request behind is one that would be served
        Pcs inside = backend.next();
        Pcs behind = backend.next();
        String answers = answersTo(posted("Content-Length: N", inside, inside.json()), behind);
        assertThat(statuses(answers)).containsExactly(200, 200);
        String chunked = answersTo(
                posted("Transfer-Encoding: chunked", backend.next(), chunks("S;x=y~D~000;z~X: y~~", inside)), behind);
        assertThat(statuses(chunked)).containsExactly(200, 200);
    }

    @ParameterizedTest
    @MethodSource("lengths")
    void lengthThatCanBeReadInTwoWays_isRefused(String header) throws Exception {
        Pcs inside = backend.next();
        assertRefusedAlone(posted(header, inside, inside.json()), inside);
    }

    @ParameterizedTest
    @MethodSource("codings")
    void codingThatCanBeReadInTwoWays_isRefused(String header) throws Exception {
        Pcs inside = backend.next();
        assertRefusedAlone(posted(header, inside, chunks("S~D~0~~", inside)), inside);
    }

    @ParameterizedTest
    @MethodSource("chunks")
    void chunksThatCanBeReadInTwoWays_areRefused(String template) throws Exception {
        Pcs inside = backend.next();
        assertRefusedAlone(posted("Transfer-Encoding: chunked", inside, chunks(template, inside)), inside);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "POST  /v1/pcs/submit HTTP/1.1~Host: e2e~",
                "POST /v1/pcs/submit  HTTP/1.1~Host: e2e~",
                "POST\t/v1/pcs/submit\tHTTP/1.1~Host: e2e~",
                "POST /v1/pcs/submit HTTP/1.1 ~Host: e2e~",
                "POST /v1/pcs/submit HTTP/1.1\nHost: e2e~",
                "POST /v1/pcs/submit HTTP/1.1\rHost: e2e~",
                "POST /v1/pcs/submit x HTTP/1.1~Host: e2e~",
                " POST /v1/pcs/submit HTTP/1.1~Host: e2e~",
                "POST /v1/pcs/submit HTTP/1.1~Host: a~Host: b~",
                "POST /v1/pcs/submit HTTP/1.1~Host: a~ b~",
                "POST /v1/pcs/submit HTTP/1.1~",
                "POST /v1/pcs/submit HTTP/1.1~Host : e2e~",
                "POST /v1/pcs/submit HTTP/1,1~Host: e2e~",
                "POST /v1/pcs/submit http/1.1~Host: e2e~",
                "POST /v1/pcs/submit HTTP/11~Host: e2e~",
                "POST /v1/pcs/submit HTTP/1.10~Host: e2e~",
                "POST /v1/pcs/submit~Host: e2e~"
            })
    void requestLineOrHostThatCanBeReadInTwoWays_isRefused(String head) throws Exception {
        Pcs inside = backend.next();
        assertRefusedAlone(
                (head + "Content-Length: " + inside.bytes().length + "~~").replace("~", "\r\n") + inside.json(),
                inside);
    }

    private static String posted(String header, Pcs inside, String body) {
        String length = Integer.toString(inside.bytes().length);
        return "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\n"
                + header.replace("N", length)
                        .replace("Content-Le" + length + "gth", "Content-Length")
                        .replace("~", "\r\n")
                + "\r\n\r\n"
                + body;
    }

    private static String chunks(String template, Pcs inside) {
        return template.replace("~", "\r\n")
                .replace("S", Integer.toHexString(inside.bytes().length))
                .replace("D", inside.json());
    }

    private static void assertRefusedAlone(String request, Pcs inside) throws Exception {
        Pcs behind = backend.next();
        String answers = answersTo(request, behind);
        assertThat(statuses(answers)).as(answers).hasSize(1).isSubsetOf(400, 431, 501, 505);
        for (Pcs pcs : List.of(inside, behind)) {
            assertThat(backend.client().get("/v1/pcs/" + pcs.id()).status()).isEqualTo(404);
        }
    }

    /** All that comes until the backend ends the connection, or has answered a last request that asks for that. */
    private static String answersTo(String request, Pcs behind) throws Exception {
        try (RawConnection connection = backend.connect()) {
            return connection
                    .send(request
                            + "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nConnection: close\r\nContent-Length: "
                            + behind.bytes().length
                            + "\r\n\r\n"
                            + behind.json())
                    .endOutput()
                    .readToEnd();
        }
    }

    private static List<Integer> statuses(String answers) {
        return Arrays.stream(answers.split("(?=HTTP/1\\.1 )"))
                .map(answer -> Integer.parseInt(answer.substring(9, 12)))
                .collect(Collectors.toList());
    }
}
