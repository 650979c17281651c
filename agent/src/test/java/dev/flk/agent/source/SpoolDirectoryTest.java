// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxFull;
import dev.flk.agent.outbox.OutboxOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SpoolDirectoryTest {
    private static final String GOOD =
            "{\"pcs_id\":\"p\",\"shard_id\":\"s\",\"epoch\":1,\"merkle_root\":\"m\",\"D_hat\":1,"
                    + "\"coh_star\":1,\"r\":1,\"budget\":1}";

    @TempDir
    Path temporary;

    private Path spool;
    private Outbox outbox;

    @BeforeEach
    void open() throws IOException {
        spool = Files.createDirectory(temporary.resolve("spool"));
        outbox = outbox(1 << 20);
    }

    @AfterEach
    void close() throws IOException {
        outbox.close();
    }

    @Test
    void step_fileWithOneCertificateOnSeveralLines_isTakenAndRemoved() throws Exception {
        write("a.json", GOOD.replace(",", ",\n"));

        assertThat(step()).isEqualTo(1);

        assertThat(outbox.pendingEntries()).isEqualTo(1);
        assertThat(files()).isEmpty();
    }

    @Test
    void step_fileWithALineEach_isTakenWithoutItsBlankLines() throws Exception {
        write("a.ndjson", GOOD + "\r\n\n" + GOOD + "\n" + GOOD);

        assertThat(step()).isEqualTo(3);

        assertThat(outbox.pendingEntries()).isEqualTo(3);
    }

    @Test
    void step_brokenLines_goAsideWithTheReasonAndSpoilNoOther() throws Exception {
        write("a.ndjson", GOOD + "\nnonsense\n" + GOOD + "\n" + GOOD.replace("\"epoch\":1", "\"epoch\":\"1\"") + "\n");

        step();

        assertThat(outbox.pendingEntries()).isEqualTo(2);
        assertThat(files()).containsExactly("a.ndjson.error");
        List<String> errors = Files.readAllLines(spool.resolve("a.ndjson.error"));
        assertThat(errors).hasSize(2);
        assertThat(errors.get(0)).startsWith("line 2: ").endsWith("\tnonsense");
        assertThat(errors.get(1)).startsWith("line 4: ").contains("epoch");
    }

    @Test
    void step_otherFiles_areLeftAlone() throws Exception {
        write("a.json.tmp", GOOD);
        write("b.txt", GOOD);
        Files.createDirectory(spool.resolve("c.json"));

        assertThat(step()).isZero();

        assertThat(files()).containsExactly("a.json.tmp", "b.txt", "c.json");
    }

    @Test
    void step_outboxFull_leavesTheFile() throws Exception {
        outbox.close();
        outbox = outbox(10);
        write("a.json", GOOD);

        assertThatExceptionOfType(OutboxFull.class).isThrownBy(this::step);

        assertThat(files()).containsExactly("a.json");
    }

    @Test
    void step_certificateBeyondAllBounds_goesAside() throws Exception {
        write("a.json", " ".repeat(Intake.MAX_CERTIFICATE_BYTES) + GOOD);

        step();

        assertThat(files()).containsExactly("a.json.error");
    }

    private long step() throws IOException {
        return new SpoolDirectory(spool, new Intake(outbox)).step();
    }

    private Outbox outbox(long maxBytes) throws IOException {
        return Outbox.open(new OutboxOptions(temporary.resolve("outbox"), maxBytes, 0), InstantSource.system());
    }

    private void write(String name, String text) throws IOException {
        Files.write(spool.resolve(name), text.getBytes(StandardCharsets.UTF_8));
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(spool)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
