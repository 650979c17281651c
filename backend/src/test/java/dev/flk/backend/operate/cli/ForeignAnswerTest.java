// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of commands that ask a server whose answers are not those of a backend: none of its characters controls the
 * terminal, and a malformed answer is reported with one sentence.
 */
class ForeignAnswerTest {
    /** ESC, BEL, NEL, CSI and two characters that change the direction of text. */
    private static final String CONTROLS = "\u001b[2J\u0007\u0085\u009b\u202e\u2066";

    private static final String UNPRINTABLE = "[[\\p{Cc}&&[^\\n\\t]]\\p{Cf}\\p{Zl}\\p{Zp}]";

    private final CommandRun cli = new CommandRun();
    private volatile int status = 200;
    private volatile String body = "";
    private HttpServer server;

    @BeforeEach
    void start() throws Exception {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            byte[] sent = body.getBytes(StandardCharsets.UTF_8);
            exchange.getRequestBody().readAllBytes();
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
                "record",
                "record --json",
                "record --all",
                "record --all --json",
                "record --all --csv",
                "record --shard a",
                "record --measured-from 2026-01-31",
                "logs",
                "logs --json",
                "logs forget a --yes",
                "outcomes backup made",
                "agents",
                "agents --json")) {
            int exitCode = cli.run(command + " --url " + url);
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
                "{\"logs\":3,\"agents\":[3,null,{\"id\":[],\"age\":\"x\"}]}",
                "{\"logs\":[3,null,{\"name\":\"a\",\"log_id\":null,\"last\":\"x\"}]}",
                "data: x",
                "event: \u001b\ndata: []"
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
        body = ("{'logs':[{'name':'a','log_id':'b','last':%s,'archived_up_to':%s}],'agents':[{'id':'a','age':%s}],"
                        + "'complete_up_to':%s,'bytes':%s}")
                .replace("%s", number)
                .replace('\'', '"');
        for (String command : List.of("logs", "logs forget a --yes", "outcomes backup made", "agents")) {
            int exitCode = cli.run(
                    command + " --url http://127.0.0.1:" + server.getAddress().getPort());

            assertThat(cli.err())
                    .as(command)
                    .contains("which is no such value; does the URL name the right server?")
                    .doesNotContain("\tat ");
            assertThat(exitCode).as(command).isOne();
        }
    }

    @Test
    void values_controlNoTerminal() {
        body =
                ("{'shard_id':'%s','pcs_id':'%s','received_at':'%s','verdict':'%s','reason':'%s','note':'%s','author':'%s',"
                                + "'at':'%s','window_end':'%s','id':'%s','directory':'%s','D_hat':'%s','left_out_ids':['%s'],"
                                + "'logs':[{'name':'%s','log_id':'%s'}],'problem':'%s','version':'%s',"
                                + "'agents':[{'id':'%s','age':1,'state':'%s','other_host':'%s','report':{'host':'%s','pending':'%s'}}]}\n")
                        .replace("%s", "2026-01-31T12:00:00Z\u009b\u202e\u2066\u2028\u007f")
                        .replace('\'', '"');
        assertThat(printed()).isNotEmpty();
    }
}
