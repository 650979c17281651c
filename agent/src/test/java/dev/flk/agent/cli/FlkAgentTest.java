// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.outbox.Outbox;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FlkAgentTest {
    private static final String EARTHQUAKES =
            Path.of("..", "demo", "earthquakes.csv").toString();
    private static final String GOOD =
            "{\"pcs_id\":\"p\",\"shard_id\":\"s\",\"epoch\":1,\"merkle_root\":\"m\",\"D_hat\":1,"
                    + "\"coh_star\":1,\"r\":1,\"budget\":1}";

    @TempDir
    Path directory;

    private Cli cli;
    private Ended ended;
    private String input = "";

    @BeforeEach
    void prepare() {
        cli = new Cli(directory).unwatched();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "nonsense",
                "dlq",
                "outbox",
                "status --nonsense",
                "certify",
                "certify x.csv --window five",
                "certify x.csv --window 5 --window-time 5m"
            })
    void usage_wrong_exits2WithAHint(String line) {
        assertThat(run(line.isEmpty() ? new String[0] : line.split(" "))).isEqualTo(2);

        assertThat(err())
                .startsWith("flk-agent: ")
                .containsAnyOf("Try: flk-agent", "Did you mean", "Possible solutions");
        assertThat(out()).isEmpty();
    }

    @Test
    void certify_earthquakes_addsThemToTheOutbox() {
        assertThat(run("certify", "--shard=quakes-in-the-north", "--window=50", "--shard-count=4", EARTHQUAKES))
                .isZero();

        assertThat(out().lines().limit(2))
                .containsExactly(
                        "last row                rows   D_hat  coh_star      r  regime      shard",
                        "2018-01-31T07:18:36Z      50  0.5512    0.8000  0.423  sticky      …-the-north-1");
        assertThat(out()).contains("34 certificates added to the outbox");
        assertThat(status()).contains("\"pending\":34", "\"dlq_entries\":0");
        assertThat(run("certify", "--shard=q", "--quiet", EARTHQUAKES)).isZero();
        assertThat(out()).startsWith("1 certificate added");
    }

    @Test
    void certify_print_doesNotTouchTheOutbox() {
        assertThat(run("certify", "--shard", "quakes", "--shard-count=3", "--window=100", "--print", EARTHQUAKES))
                .isZero();

        assertThat(out().lines()).hasSize(17);
        assertThat(out()).contains("\"shard_id\":\"quakes-1\"", "\"shard_id\":\"quakes-3\"");
        assertThat(directory.resolve("outbox")).doesNotExist();
    }

    @Test
    void certify_out_writesTheSameAsPrint() throws Exception {
        Path file = directory.resolve("out.ndjson");
        assertThat(run("certify", "--shard", "q", "--print", EARTHQUAKES)).isZero();
        String printed = out();

        assertThat(run("certify", "--shard", "q", "--out", file.toString(), EARTHQUAKES))
                .isZero();

        assertThat(Files.readString(file)).isEqualTo(printed);
        assertThat(run("certify", "--shard", "q", "--out", file.toString(), EARTHQUAKES))
                .as("its own output is replaced")
                .isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"--out", "--plot"})
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void certify_outputIsAnUnrelatedFile_exits2AndLeavesIt(String option) throws Exception {
        Path other = Files.writeString(directory.resolve("other.svg"), "precious");
        Path fifo = directory.resolve("fifo.svg");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();

        assertThat(run("certify", "--shard", "q", option, other.toString(), EARTHQUAKES))
                .isEqualTo(2);
        assertThat(err())
                .contains(option + ": " + other + " exists and was not written by this command; name another file");
        assertThat(run("certify", "--shard", "q", option, fifo.toString(), EARTHQUAKES))
                .isEqualTo(2);
        assertThat(err()).contains(option + ": " + fifo + " is a FIFO, not a regular file; name another file");
        assertThat(run("certify", "--shard", "q", option, directory.toString(), EARTHQUAKES))
                .isEqualTo(2);

        assertThat(other).hasContent("precious");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--out", "--plot"})
    void certify_outputWasChanged_exits2AndLeavesIt(String option) throws Exception {
        Path file = directory.resolve("output.svg");
        assertThat(run("certify", "--shard", "q", option, file.toString(), EARTHQUAKES))
                .isZero();
        String own = Files.readString(file);

        for (String text : List.of(
                "{\"mine\":1}\n",
                "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n",
                own + "mine\n",
                own.substring(0, own.length() - 2),
                "mine\n" + own)) {
            Files.writeString(file, text);

            assertThat(run("certify", "--shard", "q", option, file.toString(), EARTHQUAKES))
                    .isEqualTo(2);

            assertThat(err()).contains(option + ": " + file + " exists and was not written by this command");
            assertThat(Files.readString(file)).isEqualTo(text);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "`` | give --shard ID or set SHARD_ID",
                "--shard q --window=0 | a window must have",
                "--shard q --shard-column=z | --shard-column names the shards and can't be combined with --shard",
                "--shard q --window-time=1w | --window-time: the value is not a duration",
                "--shard q --window-time=0 | flk-agent: a window must last at least 1ms",
                "--shard q --shard-count=0 | --shard-count must be",
                "--shard q --first-epoch=-1 | the first epoch must be",
                "--shard q --plot x --follow | --plot draws a complete file and can't be combined with --follow or --preview",
                "--shard q --plot x --preview | --plot draws a complete file and can't be combined with --follow or --preview",
                "--shard q --out both --plot ./both | --plot and --out name the same file",
                "--shard q --comment=# --follow | --comment, --only and --skip-last-lines need a complete file and can't",
                "--shard q --only=a=b --follow | --comment, --only and --skip-last-lines need a complete file and can't",
                "--shard q --skip-last-lines=1 --follow | --comment, --only and --skip-last-lines need a complete file and",
                "--grouping x | --grouping: must be a point, a comma, an apostrophe or a blank, not 'x'",
                "--grouping . --decimal . | --grouping and --decimal: both are '.'; give two different characters",
                "--delimiter ab | --delimiter: must be one character that is no letter, digit or quote, or tab, not 'ab'",
                "--time-unit weeks | --time-unit: must be one of s, ms, us, ns, min, h, d, excel, matlab, julian, labview, filetime, dotnet, not 'weeks'",
                "--time-unit s --time-format yyyy | --time-unit is for numbers and --time-format for texts; give one of them",
                "--skip-rows-after-header 1 --no-header | --skip-rows-after-header: must be at least 0, and a file with --no-header has no such rows; skip its first lines with --skip-lines"
            })
    void certify_invalidOptions_exits2WithTheReason(String options, String message) {
        assertThat(run(("certify " + options + " " + EARTHQUAKES).split(" +"))).isEqualTo(2);

        assertThat(err()).contains(message);
        assertThat(Path.of("both")).doesNotExist();
    }

    @Test
    void certify_brokenFile_exits1WithTheLine() {
        input = "timestamp,x,y,z\n1,2,3,NaN\n";

        assertThat(run("certify", "--shard", "q", "-")).isEqualTo(1);

        assertThat(err()).startsWith("flk-agent: line 2: column z: NaN is not a decimal number; choose");
    }

    @Test
    void submit_goodAndBadLines_addsTheGoodAndExits1() {
        input = GOOD + "\nnonsense\n" + GOOD + "\n";

        assertThat(run("submit", "-")).isEqualTo(1);

        assertThat(unwrapped(out())).contains("2 certificates added", "1 refused");
        assertThat(err()).startsWith("flk-agent: -, line 2: ");
        assertThat(status()).contains("\"pending\":2");
    }

    @Test
    void submit_oneFileMissing_addsNothing() throws Exception {
        Path file = Files.writeString(directory.resolve("a.json"), GOOD);

        assertThat(run("submit", file.toString(), directory.resolve("b.json").toString()))
                .isEqualTo(1);

        assertThat(err()).contains("there is no file", "b.json");
        assertThat(status()).contains("\"pending\":0");
    }

    @Test
    void submit_outboxPathIsAFile_exits1AndSaysSo() throws Exception {
        input = GOOD;
        cli.with("OUTBOX_PATH", Files.writeString(directory.resolve("file"), "").toString());

        assertThat(run("submit", "-")).isEqualTo(1);

        assertThat(unwrapped(err())).contains("but must be a directory");
    }

    @Test
    void submit_outboxOwnedByAShortCommand_waits() throws Exception {
        input = GOOD;
        FutureTask<Integer> submitted = new FutureTask<>(() -> run("submit", "-"));
        Thread command = new Thread(submitted, "submit");
        try (Outbox owner = cli.own()) {
            assertThat(owner.pendingEntries()).isZero();
            command.start();
            await().until(() -> command.getState() == Thread.State.TIMED_WAITING);
        }

        assertThat(submitted.get()).isZero();
    }

    @Test
    void submit_outboxOwnerDoesNotAnswer_exits2AndNamesIt() throws Exception {
        input = GOOD;
        try (Outbox owner = cli.own()) {
            assertThat(run("submit", "-")).isEqualTo(2);
            assertThat(owner.pendingEntries()).isZero();
        }

        assertThat(err())
                .contains("is in use by process " + ProcessHandle.current().pid());
    }

    @ParameterizedTest
    @CsvSource({
        "status, 0 certificates",
        "compact, '0 segments removed, 0 compressed, '",
        "fsck, 0 complete records",
        "outbox cat, ''",
        "dlq list, 0 dead letters",
        "dlq requeue --all, 0 dead letters requeued"
    })
    void command_noOutboxYet_exits0(String command, String printed) {
        assertThat(run(command.split(" "))).isZero();
        assertThat(unwrapped(out())).contains(printed);
    }

    @ParameterizedTest
    @ValueSource(strings = {"hmac", "ed25519"})
    void keygen_printedKey_signsAndVerifies(String algorithm) throws Exception {
        assertThat(run("keygen", "--alg", algorithm)).isZero();
        Path config = directory.resolve("agent.properties");
        Files.writeString(config, out());
        input = GOOD;
        assertThat(run("sign", "--config", config.toString(), "-")).isZero();
        String signed = out();

        input = signed;
        assertThat(run("--config", config.toString(), "verify", "-")).isEqualTo(1);
        assertThat(out()).startsWith("signature good");
        input = signed.replace("\"epoch\":1", "\"epoch\":2");
        assertThat(run("--config", config.toString(), "verify", "-")).isEqualTo(1);
        assertThat(out())
                .startsWith("signature bad: probably made with another key\n")
                .contains("changed after signing");
    }

    @Test
    void sign_textThatTurnsATerminalAround_isEscaped() throws Exception {
        assertThat(run("keygen", "--alg", "hmac")).isZero();
        Path config = directory.resolve("agent.properties");
        Files.writeString(config, out());
        input = GOOD.replaceFirst("\\{", "{\"note\":\"é\u202e\u2028\",");

        assertThat(run("sign", "--config", config.toString(), "-")).isZero();
        assertThat(out()).contains("\"note\":\"é\\u202e\\u2028\"");
    }

    @Test
    void canonical_certificate_printsExactlyTheSignedBytes() {
        input = GOOD;

        assertThat(run("canonical", "-")).isZero();

        assertThat(out())
                .isEqualTo("{\"D_hat\":1.0,\"budget\":1.0,\"coh_star\":1.0,\"epoch\":1,\"merkle_root\":\"m\","
                        + "\"pcs_id\":\"p\",\"r\":1.0,\"shard_id\":\"s\"}");
    }

    private String status() {
        run("status", "--json");
        return out();
    }

    private int run(String... args) {
        ended = cli.runOn(input, args);
        return ended.exitCode();
    }

    private static String unwrapped(String text) {
        return text.replace("\n    ", " ");
    }

    private String out() {
        return ended.out();
    }

    private String err() {
        return ended.err();
    }
}
