// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.HonestTraffic.Told;
import dev.flk.e2e.LogFiles.Entry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Honest traffic of 500 a second, first alone, then beside attackers of all kinds: garbage, bad signatures, a stolen key, replays, slow bodies, bombs, look-ups. Prints
 * what became of both; {@code -Dflk.attackSeconds=1200} goes on for 20 minutes. Times are printed, and not asserted.
 */
@Alone
@Tag("thorough")
final class MixedAttackIT {
    private static final int ATTACK_SECONDS = Integer.getInteger("flk.attackSeconds", 12);
    private static final int QUIET_SECONDS = Math.max(4, ATTACK_SECONDS / 20);
    private static final int WARM_UP_SECONDS = QUIET_SECONDS;
    private static final int PER_SECOND = 500;
    private static final int HEAP_MIB = 256;
    private static final double MIB = 1048576;
    /** Heap, as much again for network buffers, and what the JVM, its code and RocksDB take. */
    private static final double MOST_RESIDENT_MIB = 2 * HEAP_MIB + 300;
    /** What is kept of variations: at once, and a second. */
    private static final double EVIDENCE_MIB = 64;

    private static final double EVIDENCE_MIB_PER_SECOND = 32 / 1024.0;
    /** A certificate with its outcome in the log; and what the audit log has at the most, and zeros ahead of the log. */
    private static final double BYTES_OF_ONE = 1_000;

    private static final double ROOM_MIB = 64 + 64;

    @TempDir
    private Path directory;

    private Path keys;

    @BeforeEach
    void keysFile() throws IOException {
        keys = Files.createDirectory(directory.resolve("keys"));
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < HonestTraffic.SHARDS; i++) {
            text.append(key(HonestTraffic.shard(i), HonestTraffic.key(HonestTraffic.shard(i))))
                    .append(',');
        }
        text.append(key(MixedAttack.STOLEN_SHARD, MixedAttack.STOLEN_KEY));
        Files.writeString(keys.resolve("keys.json"), "{\"version\":1,\"keys\":[" + text + "]}");
    }

    private String key(String shard, String secret) throws IOException {
        Path file = Files.writeString(keys.resolve(shard + ".secret"), secret + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        return "{\"id\":\"" + shard + "\",\"algorithm\":\"hmac\",\"secret_file\":\"" + shard
                + ".secret\",\"shards\":[\"" + shard + "\"],\"state\":\"active\"}";
    }

    private BackendProcess start() throws IOException {
        return BackendProcess.start(
                directory,
                Map.of(
                        "KEYS_FILE", keys.resolve("keys.json").toString(),
                        "PCS_HMAC_KEY", "",
                        "TOKEN_RATE", "2000",
                        "SHARD_RATE", "200", // what a stolen key could take otherwise is all
                        "BODY_TIMEOUT", "10s"),
                List.of("-Xmx" + HEAP_MIB + "m"));
    }

    @Test
    void honestTraffic_besideAttackersOfAllKinds_isAnswered_andNothingFalseIsTaken() throws Exception {
        Told quiet;
        Told attacked;
        MixedAttack attack;
        long seconds;
        double resident;
        try (BackendProcess backend = start()) {
            Client client = new Client(backend.url());
            HonestTraffic honest = new HonestTraffic(backend.port(), PER_SECOND);
            Told warm = honest.run(WARM_UP_SECONDS);
            quiet = honest.run(QUIET_SECONDS);
            System.out.println("attack, before it: " + quiet);
            long began = System.nanoTime();
            try (MixedAttack running = new MixedAttack(backend.port(), honest)) {
                attack = running;
                running.begin();
                attacked = honest.run(ATTACK_SECONDS);
                resident = client.metric("process_resident_memory_bytes") / MIB;
            }
            seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - began) + 1;
            System.out.println("attack, beside it: " + attacked);
            for (String limit : List.of("global", "shard", "key", "address", "evidence")) {
                System.out.printf(
                        "attack, held back by limit %s: %.0f%n",
                        limit, client.metric("flk_rate_limited_by_total{limit=\"" + limit + "\",}"));
            }
            attack.counts().forEach((name, count) -> System.out.println("attack, " + name + ": " + count));
            assertThat(warm.inTheEnd() + quiet.inTheEnd() + attacked.inTheEnd())
                    .as("honest ones, each of which is answered 200")
                    .isEqualTo(warm.sent() + quiet.sent() + attacked.sent());
            long taken = attack.counts().get("stolen key, its own shard").of(200);
            assertThat(client.metric("flk_accepted"))
                    .isEqualTo((double) (warm.sent() + quiet.sent() + attacked.sent() + taken));
            assertThat(client.metric("flk_internal_errors_total")).isZero();
            assertThat(backend.program().allLines()).doesNotContain("OutOfMemoryError");
        }
        double used = usedBytes() / MIB;
        System.out.printf(
                "attack, in all: p99 %.2f times that before, %.0f MiB resident, %.0f MiB on disk%n",
                attacked.millisAt(0.99) / quiet.millisAt(0.99), resident, used);
        assertThat(attack.counts())
                .allSatisfy((name, count) -> assertThat(count.toString()).doesNotStartWith("0 sent"));
        assertThat(attack.counts().get("bad signatures").of(200)).isZero();
        assertThat(attack.counts().get("garbage").of(200)).isZero();
        assertThat(attack.counts().get("stolen key, foreign shard").of(200)).isZero();
        assertThat(resident).isLessThan(MOST_RESIDENT_MIB);
        long recorded = attacked.sent()
                + quiet.sent()
                + (long) WARM_UP_SECONDS * PER_SECOND
                + attack.counts().get("stolen key, its own shard").of(200);
        assertThat(used)
                .isLessThan(recorded * 2 * BYTES_OF_ONE / MIB
                        + EVIDENCE_MIB
                        + EVIDENCE_MIB_PER_SECOND * seconds
                        + ROOM_MIB);
        for (Entry entry : LogFiles.inbox(directory.resolve("data/wal")).entries()) {
            if (entry.kind() != 'o') {
                assertThat(entry.body())
                        .as("what is in the log was signed by the key of its shard")
                        .contains("\"shard_id\":\"" + entry.keyId() + "\"");
            }
        }
    }

    private long usedBytes() throws IOException {
        try (Stream<Path> files = Files.walk(directory.resolve("data"))) {
            long bytes = 0;
            for (Path file : files.filter(Files::isRegularFile).collect(Collectors.toList())) {
                bytes += Files.size(file);
            }
            return bytes;
        }
    }
}
