// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.PcsId;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code kill -9} of the backend under load, ten times over, with the policy changing from start to start. */
final class BackendKillIT {
    private static final int KILLS = 10;
    private static final int SENDERS = 4;

    @TempDir
    private Path directory;

    private final Map<PcsId, Answer> acknowledged = new ConcurrentHashMap<>();
    private final Map<PcsId, Pcs> sent = new ConcurrentHashMap<>();
    private final AtomicLong nextEpoch = new AtomicLong();

    @Test
    void acknowledgedOutcomes_surviveTenKills_byteForByte() throws Exception {
        Random random = new Random(9);
        for (int life = 0; life < KILLS; life++) {
            try (BackendProcess backend = start(life)) {
                audit(backend, "before load of life " + life);
                loadUntilKilled(backend, 100 + random.nextInt(300));
            }
        }
        assertThat(acknowledged).hasSizeGreaterThan(KILLS * 100);
        try (BackendProcess backend = start(KILLS)) {
            audit(backend, "at the end");
            resubmitAll(backend);
        }
    }

    /** Under every second policy, what deviates a little is rejected. */
    private BackendProcess start(int life) throws IOException {
        return BackendProcess.start(directory, Map.of("TOL_D", life % 2 == 0 ? "0.15" : "0.05"));
    }

    private void loadUntilKilled(BackendProcess backend, int answers) throws InterruptedException {
        CountDownLatch enough = new CountDownLatch(answers);
        ConcurrentLinkedQueue<Throwable> surprises = new ConcurrentLinkedQueue<>();
        List<Thread> senders = new ArrayList<>();
        for (int i = 0; i < SENDERS; i++) {
            Thread sender = new Thread(() -> send(backend.url(), enough, surprises));
            senders.add(sender);
            sender.start();
        }
        enough.await();
        backend.program().kill();
        for (Thread sender : senders) {
            sender.join();
        }
        assertThat(surprises).isEmpty();
    }

    private void send(String url, CountDownLatch enough, ConcurrentLinkedQueue<Throwable> surprises) {
        Client client = new Client(url);
        try {
            while (true) {
                Pcs pcs = Pcs.number(nextEpoch.getAndIncrement()).with("D_hat", "1.1");
                sent.put(pcs.id(), pcs);
                Answer answer = client.submit(pcs);
                if (answer.status() != 200 && answer.status() != 202) {
                    throw new AssertionError("answered " + answer);
                }
                acknowledged.put(pcs.id(), answer);
                enough.countDown();
            }
        } catch (IOException e) {
            // the backend is gone
        } catch (InterruptedException | AssertionError e) {
            surprises.add(e);
            while (enough.getCount() > 0) {
                enough.countDown();
            }
        }
    }

    private void audit(BackendProcess backend, String when) throws Exception {
        Client client = new Client(backend.url());
        for (Map.Entry<PcsId, Answer> one : acknowledged.entrySet()) {
            Answer again = client.get("/v1/pcs/" + one.getKey());
            assertThat(again.status()).as("%s: %s", when, one.getKey()).isEqualTo(200);
            assertThat(again.body()).isEqualTo(one.getValue().body());
        }
    }

    /** What was acknowledged is a duplicate with the same bytes; what was not is decided now, or was before, but once. */
    private void resubmitAll(BackendProcess backend) throws Exception {
        Client client = new Client(backend.url());
        for (Map.Entry<PcsId, Pcs> one : sent.entrySet()) {
            Answer again = client.submit(one.getValue());
            Answer before = acknowledged.get(one.getKey());
            assertThat(again.status()).isIn(200, 202);
            assertThat(again.has("X-Flk-Conflict")).isFalse();
            if (before != null) {
                assertThat(again.has("X-Flk-Duplicate")).isTrue();
                assertThat(again.status()).isEqualTo(before.status());
                assertThat(again.body()).isEqualTo(before.body());
            }
        }
    }
}
