// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.InjectedFault.Target;
import dev.flk.sample.Pcs;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A backend that is told to end does so, whatever stands in the way, and what was answered is there afterwards. */
final class StoppingIT {
    @TempDir
    private Path directory;

    @Test
    void jarWasOverwritten() throws Exception {
        Path jar = Files.copy(Built.jar("flk-backend"), directory.resolve("flk-backend.jar"));
        Map<String, String> environment = BackendProcess.environment();
        try (BackendProcess backend = BackendProcess.of(Program.java(jar, directory, environment));
                Traffic traffic = new Traffic(backend.url(), 1, 500)) {
            Client.awaitUntil(() -> Traffic.count(traffic.answered(), 200) >= 1_000);
            Files.write(jar, new byte[(int) Files.size(jar)]);

            assertThat(backend.program().terminate())
                    .as(backend.program().allLines())
                    .isEqualTo(143);
        }
        assertIsThere(Pcs.number(1));
    }

    @Test
    void diskDoesNotAnswer() throws Exception {
        InjectedFault.assumePossible();
        // the writer's third force: the segment's beginning and the first certificate come before it
        InjectedFault hangs = new InjectedFault("fdatasync", "delay_enter=120000000", "3+");
        Path inbox = Files.createDirectories(directory.resolve("data/wal"));
        List<Path> files = new ArrayList<>(Target.SEGMENTS.in(inbox));
        files.addAll(new LogPaths(inbox, "inbox").openings(1));
        List<String> strace = InjectedFault.before(List.of(hangs), files, directory.resolve("traces"));
        Program program = Program.behind(strace, "flk-backend", directory, BackendProcess.environment());
        try (BackendProcess backend = BackendProcess.of(program)) {
            Client client = new Client(backend.url());
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            CompletableFuture<?> unanswered = client.sendAsync(client.request("/v1/pcs/submit")
                    .POST(BodyPublishers.ofByteArray(Pcs.number(2).bytes())));
            Client.awaitUntil(
                    () -> client.metric("flk_wal_queue_appends") > 0 || client.metric("flk_ids_in_flight") > 0);

            assertThat(program.terminate()).as(program.allLines()).isEqualTo(143);
            assertThat(unanswered).isCompletedExceptionally();
        }
        assertIsThere(Pcs.number(1));
    }

    private void assertIsThere(Pcs pcs) throws Exception {
        try (BackendProcess again = BackendProcess.start(directory)) {
            assertThat(new Client(again.url()).get("/v1/pcs/" + pcs.id()).status())
                    .isEqualTo(200);
        }
    }
}
