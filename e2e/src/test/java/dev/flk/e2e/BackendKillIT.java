// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import dev.flk.testkit.ServerProcess;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests that acknowledged outcomes survive repeated {@code kill -9} of the backend under load, with each store except
 * {@code memory}, and that the record equals the log. The policy changes at each start. {@code -Dflk.kills=20} kills
 * the backend 20 times in each case.
 */
final class BackendKillIT {
    @TempDir
    private Path directory;

    /**
     * The store, whether its server is killed too, and the default number of kills. If the default is 0, the case runs
     * only with {@code -Dflk.kills}.
     */
    private enum Killed {
        EMBEDDED(1),
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
        KilledUnderTraffic traffic =
                new KilledUnderTraffic(epoch -> Pcs.number(epoch).with("D_hat", "1.1"));
        Random random = new Random(9);
        for (int life = 0; life < killed.kills; life++) {
            try (BackendProcess backend = BackendProcess.start(directory, ofLife(life, configuration))) {
                Client client = new Client(backend.url());
                client.awaitReady();
                traffic.assertKept(client);
                traffic.kill(backend, 100 + random.nextInt(300), justBefore::run);
            }
            after.run();
        }
        try (ServedBackend backend = BackendInJvm.start(directory, ofLife(killed.kills, configuration))) {
            Client client = new Client(backend.url());
            client.awaitReady();
            traffic.assertKept(client);
            traffic.assertDecidedOnce(client);
            KilledUnderTraffic.assertRecordEqualsLog(client, directory.resolve("data/wal"));
        }
        assertThat(traffic.acknowledged()).hasSizeGreaterThanOrEqualTo(killed.kills * 100);
    }

    /** Returns the configuration of a life. In every second life, the policy rejects small deviations. */
    private static Map<String, String> ofLife(int life, Map<String, String> configuration) {
        Map<String, String> more = new HashMap<>(configuration);
        more.put("TOL_D", life % 2 == 0 ? "0.15" : "0.05");
        return more;
    }
}
