// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.certificate.PcsId;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import dev.flk.testkit.ServerProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests that acknowledged outcomes survive repeated {@code kill -9} of the backend under load, with each store except
 * {@code memory}. The policy changes at each start. {@code -Dflk.kills=20} kills the backend 20 times in each case.
 */
final class BackendKillIT {
    private static final int SENDERS = 4;

    @TempDir
    private Path directory;

    private final Map<PcsId, Answer> acknowledged = new ConcurrentHashMap<>();
    private final Map<PcsId, Pcs> sent = new ConcurrentHashMap<>();
    private final AtomicLong nextEpoch = new AtomicLong();

    /**
     * The store, whether its server is killed too, and the default number of kills. If the default is 0, the case runs
     * only with {@code -Dflk.kills}.
     */
    private enum Killed {
        EMBEDDED(2),
        REDIS(0),
        REDIS_AND_ITS_SERVER(0),
        POSTGRES(0),
        POSTGRES_AND_ITS_SERVER(0);

        private final int kills;

        Killed(int usually) {
            kills = Integer.getInteger("flk.kills", usually);
        }
    }

    @ParameterizedTest
    @EnumSource
    void acknowledgedOutcomesSurviveKills_byteForByte(Killed killed) throws Exception {
        assumeTrue(killed.kills > 0, "only with -Dflk.kills");
        if (killed == Killed.EMBEDDED) {
            killAgainAndAgain(killed, Map.of(), () -> {}, () -> {});
            return;
        }
        try (ServerProcess store = killed.name().startsWith("REDIS")
                ? RedisServer.startDurable(directory.resolve("server"))
                : PostgresServer.startWithScram()) {
            if (killed.name().endsWith("SERVER")) {
                killAgainAndAgain(killed, store.configuration(), store::kill, store::restart);
            } else {
                killAgainAndAgain(killed, store.configuration(), () -> {}, () -> {});
            }
        }
    }

    /**
     * @param justBefore an action to run under load, just before the backend is killed
     * @param after an action to run before the backend is started again
     */
    private void killAgainAndAgain(
            Killed killed, Map<String, String> configuration, Runnable justBefore, Runnable after) throws Exception {
        int kills = killed.kills;
        Random random = new Random(9);
        for (int life = 0; life < kills; life++) {
            try (BackendProcess backend = BackendProcess.start(directory, ofLife(life, configuration))) {
                new Client(backend.url()).awaitReady();
                audit(backend, "before load of life " + life);
                loadUntilKilled(backend, 100 + random.nextInt(300), justBefore);
            }
            after.run();
        }
        assertThat(acknowledged).hasSizeGreaterThan(kills * 100);
        try (ServedBackend backend = BackendInJvm.start(directory, ofLife(kills, configuration))) {
            new Client(backend.url()).awaitReady();
            audit(backend, "at the end");
            resubmitAll(backend);
            assertThat(new Client(backend.url()).metric("flk_lost_outcomes_total"))
                    .isZero();
        }
        System.out.printf(
                "BackendKillIT, %s: %d kills, %d acknowledged outcomes audited, %d more were under way%n",
                killed, kills, acknowledged.size(), sent.size() - acknowledged.size());
    }

    /** Returns the configuration of a life. In every second life, the policy rejects small deviations. */
    private static Map<String, String> ofLife(int life, Map<String, String> configuration) {
        Map<String, String> more = new HashMap<>(configuration);
        more.put("TOL_D", life % 2 == 0 ? "0.15" : "0.05");
        return more;
    }

    private void loadUntilKilled(BackendProcess backend, int answers, Runnable justBefore) throws InterruptedException {
        CountDownLatch enough = new CountDownLatch(answers);
        ConcurrentLinkedQueue<Throwable> surprises = new ConcurrentLinkedQueue<>();
        List<Thread> senders = new ArrayList<>();
        for (int i = 0; i < SENDERS; i++) {
            Thread sender = new Thread(() -> send(backend.url(), enough, surprises));
            senders.add(sender);
            sender.start();
        }
        enough.await();
        justBefore.run();
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
                if (answer.status() == 503 && enough.getCount() == 0) {
                    continue; // the store was killed before the backend; the submission is in the log
                }
                if (answer.status() != 200 && answer.status() != 202) {
                    throw new AssertionError("answered " + answer);
                }
                acknowledged.put(pcs.id(), answer);
                enough.countDown();
            }
        } catch (IOException e) {
            // the backend was killed
        } catch (InterruptedException | AssertionError e) {
            surprises.add(e);
            while (enough.getCount() > 0) {
                enough.countDown();
            }
        }
    }

    private void audit(ServedBackend backend, String when) throws Exception {
        Client client = new Client(backend.url());
        for (Map.Entry<PcsId, Answer> one : acknowledged.entrySet()) {
            Answer again = client.get("/v1/pcs/" + one.getKey());
            assertThat(again.status()).as("%s: %s", when, one.getKey()).isEqualTo(200);
            assertThat(again.body()).isEqualTo(one.getValue().body());
        }
    }

    /**
     * Submits all certificates again. Each acknowledged certificate must get the same bytes, marked as a duplicate. No
     * certificate may be a conflict.
     */
    private void resubmitAll(ServedBackend backend) throws Exception {
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
