// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.ScriptedBackend;
import dev.flk.agent.send.ScriptedBackend.Said;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class FsckCommandTest {
    @TempDir
    Path directory;

    private ScriptedBackend backend;
    private Cli cli;

    @BeforeEach
    void start() throws Exception {
        backend = new ScriptedBackend();
        cli = new Cli(directory).sendingTo(backend);
    }

    @AfterEach
    void stop() throws Exception {
        cli.stopAgent();
        backend.close();
    }

    private static String unwrapped(String text) {
        return text.replace("\n    ", " ");
    }

    private Cli withThree() {
        cli.submit(certificate(1), certificate(2), certificate(3));
        return cli;
    }

    @Test
    void whole_is0() {
        Ended ended = withThree().run("fsck");

        assertThat(ended.exitCode()).isZero();
        assertThat(unwrapped(ended.out())).isEqualTo(directory.resolve("outbox") + ": 3 whole records\n");
    }

    @Test
    void nothingThereYet_is0() {
        assertThat(new Cli(directory).run("fsck").exitCode()).isZero();
    }

    @Test
    void damaged_isReportedExactlyAndSetAside_once() throws Exception {
        withThree();
        Path segment = cli.segment();
        cli.damage("\"epoch\":2,");
        byte[] damaged = Files.readAllBytes(segment);
        String missing = "segment " + segment.getFileName() + " is damaged at byte ";

        Ended looked = cli.run("fsck", "--dry-run");
        assertThat(Files.readAllBytes(segment)).isEqualTo(damaged);
        Ended mended = cli.run("fsck");
        Ended again = cli.run("fsck");

        assertThat(looked.exitCode()).isEqualTo(1);
        assertThat(unwrapped(looked.out()))
                .containsPattern("(?m)^\\Q" + missing + "\\E\\d+: record 2 missing\n1 record is gone$")
                .doesNotContain("set aside");
        assertThat(mended.exitCode()).isEqualTo(1);
        assertThat(unwrapped(mended.out()))
                .startsWith(unwrapped(looked.out()))
                .contains("\nset aside: " + segment.getFileName() + " to " + segment.getFileName() + ".broken")
                .endsWith("\nthe outbox is whole now, without what is gone\n");
        Path aside = cli.outbox()
                .resolve(cli.files().stream()
                        .filter(name -> name.contains(".broken"))
                        .findFirst()
                        .orElseThrow());
        assertThat(aside).hasBinaryContent(damaged);
        assertThat(again.exitCode()).isZero();
        assertThat(unwrapped(again.out())).contains("2 whole records\n", "given up before: " + missing);
        assertThat(cli.run("status").out()).contains("waiting   2 certificates").doesNotContain("lost");
    }

    @Test
    void damaged_besideAnAgent_onlyLooks() throws Exception {
        withThree();
        cli.damage("\"epoch\":2,");
        backend.submit = line -> Said.error(503, "overloaded");
        cli.startAgent();
        List<String> before = cli.files();

        Ended ended = cli.run("fsck");

        assertThat(ended.exitCode()).as(ended.err()).isEqualTo(1);
        assertThat(unwrapped(ended.out()))
                .contains(": record 2 missing\n1 record is gone\n")
                .contains("is in use by process " + ProcessHandle.current().pid())
                .endsWith("; nothing is set aside while it runs: it skips what is gone\n");
        assertThat(cli.files()).isEqualTo(before);
    }

    @Test
    void segmentThatSomebodyRemoved_isNamed() throws Exception {
        withThree();
        // each in a block of its own, or the next segment would repeat it
        byte[] large = ("{\"pad\":\"" + "x".repeat(9_000) + "\","
                        + new String(certificate(4), StandardCharsets.UTF_8).substring(1))
                .getBytes(StandardCharsets.UTF_8);
        Path removed;
        try (Outbox outbox = cli.own()) {
            outbox.append(List.of(large));
            outbox.append(List.of(large));
            outbox.append(List.of(large));
            removed = cli.newestSegment();
        }
        cli.submit(certificate(5));
        Files.move(removed, directory.resolve("elsewhere"));

        Ended ended = cli.run("fsck", "--dry-run");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(unwrapped(ended.out())).contains("is not there: records 4 to 6 missing\n", "3 records are gone\n");
        try (Outbox outbox = cli.own()) {
            assertThat(outbox.losses()).singleElement().asString().endsWith("is not there: records 4 to 6 missing");
        }
    }
}
