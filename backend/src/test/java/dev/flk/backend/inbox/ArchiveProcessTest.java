// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests with real processes. */
@Timeout(60)
class ArchiveProcessTest {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    @TempDir
    private Path directory;

    private Path file;

    @BeforeEach
    void file() throws IOException {
        file = Files.writeString(
                Files.createDirectory(directory.resolve("a $(b) 'c'")).resolve("x.wal"), "bytes");
    }

    private static ArchiveProcess process(String command, Duration limit) {
        return new ArchiveProcess(ArchiveCommand.parse(command), Set.of("HOME"), limit);
    }

    @Test
    void put_exit0_hasStoredTheFile_whateverItsPath() throws IOException {
        process("cp %p '" + directory + "/%f'", LIMIT).put(file, "stored");
        assertThat(directory.resolve("stored")).hasContent("bytes");
    }

    @Test
    void put_exit3_throwsWithTheOutputInOneLine() {
        assertThatThrownBy(() -> process("sh -c 'echo one; echo two >&2; exit 3' sh %p %f", LIMIT)
                        .put(file, "name"))
                .hasMessage("the archive command exited with 3 for name: one / two");
        assertThatThrownBy(() -> process("false %p %f", LIMIT).put(file, "name"))
                .hasMessage("the archive command exited with 1 for name and printed nothing");
    }

    @Test
    void put_megabytesOfOutput_keepsTheEnd() {
        String print = "i=0; while [ $i -lt 300000 ]; do echo line $i; i=$((i+1)); done; exit 1";
        assertThatThrownBy(
                        () -> process("sh -c '" + print + "' sh %p %f", LIMIT).put(file, "name"))
                .satisfies(e -> assertThat(e.getMessage())
                        .hasSizeLessThan(1_300)
                        .startsWith("the archive command exited with 1 for name: … ")
                        .endsWith("line 299999"));
    }

    @Test
    void put_noSuchProgram_saysSo() {
        assertThatThrownBy(() -> process("/no/such/program %p %f", LIMIT).put(file, "name"))
                .isInstanceOf(IOException.class)
                .hasMessageStartingWith("the archive command can't be started: ")
                .hasMessageContaining("/no/such/program");
    }

    @Test
    void put_readsInput_findsItsEnd_andNoHiddenVariable() throws IOException {
        process("sh -c 'test -z \"$(cat)$HOME\"' sh %p %f", LIMIT).put(file, "name");
    }

    @Test
    void put_hangs_isKilledWithItsChildren() throws Exception {
        Path pid = directory.resolve("pid");
        String hang = "sleep 600 & echo $! > \"$0\"; echo before; wait";
        assertThatThrownBy(() -> process("sh -c '" + hang + "' '" + pid + "' %p %f", Duration.ofSeconds(1))
                        .put(file, "name"))
                .hasMessage("the archive command was killed after 1 s for name: before");
        awaitEnd(pid);
    }

    @Test
    void stop_whileACommandRuns_killsIt_andNoOtherStarts() throws Exception {
        Path pid = directory.resolve("pid");
        ArchiveProcess process = process(
                "sh -c 'echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 600' '" + pid + "' %p %f", LIMIT);
        CompletableFuture<Void> put = CompletableFuture.runAsync(() -> {
            try {
                process.put(file, "name");
            } catch (IOException e) {
                throw new CompletionException(e);
            }
        });
        while (!Files.exists(pid)) {
            Thread.onSpinWait();
        }
        process.stop();
        assertThatThrownBy(put::join).hasRootCauseInstanceOf(IOException.class);
        awaitEnd(pid);
        assertThatThrownBy(() -> process.put(file, "name")).hasMessageContaining("after the next start");
    }

    private static void awaitEnd(Path pid) throws Exception {
        ProcessHandle.of(Long.parseLong(Files.readString(pid).strip()))
                .map(ProcessHandle::onExit)
                .orElseGet(() -> CompletableFuture.completedFuture(null))
                .get();
    }
}
