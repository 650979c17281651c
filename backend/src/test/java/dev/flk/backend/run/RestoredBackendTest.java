// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.InboxDirectory;
import dev.flk.sample.Pcs;
import dev.flk.wal.LogInspector;
import dev.flk.wal.files.DiskFiles;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of a backend with an embedded store that starts in a directory that was prepared for it. */
final class RestoredBackendTest {
    @TempDir
    private Path directory;

    private interface Work {
        void run(Backend backend) throws Exception;
    }

    private void serve(String wal, Work work) throws Exception {
        Map<String, String> settings = Map.of(
                "PORT", "0",
                "BIND_ADDR", "127.0.0.1",
                "PCS_SIGN_ALG", "none",
                "DEDUP_DIR", directory.resolve("dedup").toString(),
                "WAL_DIR", directory.resolve(wal).toString());
        try (Backend backend =
                Backend.start(BackendConfig.load(settings, null), "test", () -> BackendConfig.load(settings, null))) {
            backend.serve();
            work.run(backend);
        }
    }

    private static String submit(Backend backend, int number) throws IOException, InterruptedException {
        HttpResponse<String> answer = HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + backend.port() + "/v1/pcs/submit"))
                                .POST(BodyPublishers.ofByteArray(
                                        Pcs.number(number).bytes()))
                                .build(),
                        BodyHandlers.ofString());
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return answer.body();
    }

    @Test
    void newLogOnPurpose_keepsTheOutcomesOfTheEmbeddedStore() throws Exception {
        String[] first = new String[1];
        serve("lost", backend -> first[0] = submit(backend, 1));

        String unused =
                new InboxDirectory(new DiskFiles(), directory.resolve("new"), new Random(1), "a test").createLog();
        serve("new", backend -> {
            assertThat(submit(backend, 1)).isEqualTo(first[0]);
            submit(backend, 2);
        });
        serve("new", backend -> assertThat(submit(backend, 1)).isEqualTo(first[0]));

        LogInspector log = new LogInspector(new DiskFiles(), directory.resolve("new"), Inbox.SEGMENT_PREFIX);
        assertThat(log.verify().records()).as("only the second is new").isEqualTo(1);
        assertThat(directory.resolve("dedup/set-aside")).doesNotExist();
    }
}
