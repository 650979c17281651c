// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

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
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
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
        serve("dedup", wal, Map.of(), work);
    }

    private void serve(String dedup, String wal, Map<String, String> others, Work work) throws Exception {
        Map<String, String> settings = new HashMap<>(Map.of(
                "PORT", "0",
                "BIND_ADDR", "127.0.0.1",
                "PCS_SIGN_ALG", "none",
                "STATE_PORT", "off",
                "DEDUP_DIR", directory.resolve(dedup).toString(),
                "WAL_DIR", directory.resolve(wal).toString()));
        settings.putAll(others);
        try (Backend backend =
                Backend.start(BackendConfig.load(settings, null), "test", () -> BackendConfig.load(settings, null))) {
            backend.serve();
            work.run(backend);
        }
    }

    private static String submit(Backend backend, int number) throws IOException, InterruptedException {
        HttpResponse<String> answer = send(
                backend,
                "/v1/pcs/submit",
                "POST",
                BodyPublishers.ofByteArray(Pcs.number(number).bytes()));
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return answer.body();
    }

    private static HttpResponse<String> send(Backend backend, String path, String method, BodyPublisher body)
            throws IOException, InterruptedException {
        return HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + backend.port() + path))
                                .method(method, body)
                                .build(),
                        BodyHandlers.ofString());
    }

    private static List<String> reviews(Backend backend) throws IOException, InterruptedException {
        return send(backend, "/v1/reviews?state=reviewed", "GET", BodyPublishers.noBody())
                .body()
                .lines()
                .toList();
    }

    @Test
    void machineAndDiskAreLost_archiveBringsTheReviews_withoutAState() throws Exception {
        Path archive = Files.createDirectory(directory.resolve("archive"));
        Map<String, String> settings = Map.of("WAL_ARCHIVE_COMMAND", "cp %p '" + archive + "/%f'");
        Pcs escalated = Pcs.number(1).with("regime", "\"sticky\"");
        List<String> before = new ArrayList<>();
        String unused =
                new InboxDirectory(new DiskFiles(), directory.resolve("lost"), new Random(1), "a test").createLog();
        serve("dedup", "lost", settings, backend -> {
            send(backend, "/v1/pcs/submit", "POST", BodyPublishers.ofByteArray(escalated.bytes()));
            for (String review : List.of("fault", "expected")) {
                String body = "{\"ids\":[\"" + escalated.id() + "\"],\"verdict\":\"" + review + "\",\"note\":\"it is "
                        + review + "\",\"author\":\"anna\"}";
                await().until(
                                () -> send(backend, "/v1/reviews", "PUT", BodyPublishers.ofString(body))
                                        .statusCode(),
                                status -> status == 200);
            }
            before.addAll(reviews(backend));
        });
        assertThat(before).singleElement().asString().contains("\"version\":2").contains("it is expected");
        await().until(() -> new DiskFiles().list(archive).stream().anyMatch(name -> name.endsWith(".wal")));

        new InboxDirectory(new DiskFiles(), directory.resolve("restored"), new Random(1), "a test")
                .restore(new DiskFiles(), archive, null, false, id -> 0);

        serve("dedup elsewhere", "restored", settings, backend -> {
            await().until(() -> reviews(backend), before::equals);
        });
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
