// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of commands that ask a server whose answers are not those of a program of ours: none of its characters controls the
 * terminal, and a malformed answer is reported with one sentence.
 */
class ForeignAnswerTest {
    /** ESC, BEL, NEL, CSI and two characters that change the direction of text. */
    private static final String CONTROLS = "\u001b[2J\u0007\u0085\u009b\u202e\u2066";

    private static final String UNPRINTABLE = "[[\\p{Cc}&&[^\\n\\t]]\\p{Cf}\\p{Zl}\\p{Zp}]";

    private final CommandRun cli = new CommandRun();
    private volatile int status = 200;
    private volatile String body = "";
    private volatile String header = "x";
    private HttpServer server;
    private String token;

    @BeforeEach
    void start(@TempDir Path directory) throws Exception {
        token = Files.writeString(directory.resolve("token"), "all").toString();
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            byte[] sent = body.getBytes(StandardCharsets.UTF_8);
            exchange.getRequestBody().readAllBytes();
            exchange.getResponseHeaders().add("ETag", '"' + header + '"');
            exchange.getResponseHeaders().add("X-Flk-Updated-At", "x");
            exchange.getResponseHeaders().add("X-Flk-Expires-In", header);
            exchange.sendResponseHeaders(status, sent.length == 0 ? -1 : sent.length);
            exchange.getResponseBody().write(sent);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    /** Runs every command that asks over HTTP; returns what each of them has printed. */
    private List<String> printed() {
        String url = "http://127.0.0.1:" + server.getAddress().getPort();
        List<String> printed = new ArrayList<>();
        for (String command : List.of(
                "sessions queue",
                "sessions list --token-file " + token,
                "sessions list --json --token-file " + token,
                "sessions get a --token-file " + token,
                "sessions get a --json --token-file " + token,
                "sessions set a {} --token-file " + token,
                "sessions delete a --token-file " + token,
                "sessions watch --token-file " + token,
                "sessions watch --json --token-file " + token)) {
            int exitCode = cli.run(Map.of(), (command + " --url " + url).split(" "));
            String text = cli.out() + cli.err();
            assertThat(exitCode).as(command + ": " + text).isIn(0, 1);
            assertThat(text).as(command).doesNotContain("\tat ", "Exception").doesNotContainPattern(UNPRINTABLE);
            printed.add(text);
        }
        return printed;
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 404, 500, 502})
    void refusal_controlsNoTerminal(int refusal) {
        status = refusal;
        body = "{\"error\":\"" + CONTROLS.replace("\u001b", "\\u001b").replace("\u0007", "\\u0007") + "\"}";
        assertThat(printed()).allSatisfy(text -> assertThat(text).contains("\\u202e"));

        body = CONTROLS;
        assertThat(printed()).allSatisfy(text -> assertThat(text).contains("\\u001b[2J"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "x",
                "null",
                "[]",
                "3",
                "\"x\"",
                "{}",
                "{\"received_at\":\"x\",\"pcs_id\":\"y\",\"shard_id\":3,\"at\":[]}",
                "{\"received_at\":null,\"window_end\":\"2026\",\"pcs_id\":{},\"verdict\":[],\"D_hat\":\"x\"}",
                "{\"logs\":3,\"sessions\":[3,null,{\"id\":[],\"age\":\"x\"}]}",
                "{\"logs\":[3,null,{\"name\":\"a\",\"log_id\":null,\"last\":\"x\"}]}",
                "data: x",
                "event: \u001b\ndata: []",
                "flk_session_writes_pending{state=\"waiting\"} x"
            })
    void malformedAnswer_isReported(String answer) {
        body = answer;
        assertThat(printed()).isNotEmpty();

        body = answer + "\n" + CONTROLS + "\n";
        assertThat(printed()).isNotEmpty();
    }

    /** Negative numbers, fractions, and numbers above 2^63-1. */
    @ParameterizedTest
    @ValueSource(strings = {"-5", "1.5", "9223372036854775808", "1e30", "\"7\""})
    void numberThatNoBackendSends_isReported(String number) {
        header = number;
        body = ("{'logs':[{'name':'a','log_id':'b','last':%s,'archived_up_to':%s}],'sessions':[{'id':'a','age':%s}],"
                        + "'complete_up_to':%s,'bytes':%s}")
                .replace("%s", number)
                .replace('\'', '"');
        for (String command :
                List.of("sessions list --token-file " + token, "sessions get a --json --token-file " + token)) {
            int exitCode = cli.run(
                    Map.of(),
                    (command + " --url http://127.0.0.1:" + server.getAddress().getPort()).split(" "));

            assertThat(cli.err())
                    .as(command)
                    .contains("which is no such value; does the URL name the right server?")
                    .doesNotContain("\tat ");
            assertThat(exitCode).as(command).isOne();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"-5", "NaN", "Infinity", "1e300"})
    void metricThatNoBackendSends_isReported(String number) {
        body = "flk_session_writes_pending{state=\"waiting\"} " + number;

        assertThat(cli.run(
                        Map.of(),
                        "sessions",
                        "queue",
                        "--url",
                        "http://127.0.0.1:" + server.getAddress().getPort()))
                .isOne();
        assertThat(cli.err()).contains("which is no such value; does the URL name the right server?");
    }

    @Test
    void values_controlNoTerminal() {
        body =
                ("{'shard_id':'%s','pcs_id':'%s','received_at':'%s','verdict':'%s','reason':'%s','note':'%s','author':'%s',"
                                + "'at':'%s','window_end':'%s','id':'%s','directory':'%s','D_hat':'%s','left_out_ids':['%s'],"
                                + "'logs':[{'name':'%s','log_id':'%s'}],'problem':'%s','version':'%s',"
                                + "'sessions':[{'id':'%s','age':1,'state':{'host':'%s','pending':'%s'}}]}\n")
                        .replace("%s", "2026-01-31T12:00:00Z\u009b\u202e\u2066\u2028\u007f")
                        .replace('\'', '"');
        assertThat(printed()).isNotEmpty();
    }

    @Test
    void metricsOfAnotherServer_areReported() {
        assertThat(cli.run(
                        Map.of(),
                        "sessions",
                        "queue",
                        "--url",
                        "http://127.0.0.1:" + server.getAddress().getPort()))
                .isOne();
        assertThat(cli.err())
                .contains("the metrics lack flk_session_writes_pending; check that the URL names a program of"
                        + " this version");
    }
}
