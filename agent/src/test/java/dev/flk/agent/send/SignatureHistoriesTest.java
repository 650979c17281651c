// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.SendQueue.Queued;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random histories of several backends whose keys change, that restart, and whose answers arrive late and in any order.
 * A good certificate must never be given up; a bad one must be, once all backends have the key. Rules that are switched
 * off must be missed.
 */
class SignatureHistoriesTest {
    private static final String SHARD = "s";
    private static final int CERTIFICATES = 24;
    private static final int EVERY_BAD = 6;
    private static final int HISTORIES = 40;

    @TempDir
    Path directory;

    /** Returns the header that an agent sees, in place of the header that a backend sends. */
    private interface Headers extends UnaryOperator<@Nullable BackendKeys> {}

    @Test
    void headers_noGoodCertificateIsGivenUp_andEachBadOneIs() throws IOException {
        for (int seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed, keys -> keys, Duration.ofDays(1_000));
            history.run();
            assertThat(history.givenUp).as("seed %s", seed).containsExactlyInAnyOrderElementsOf(history.bad());
            assertThat(history.open).as("seed %s", seed).isEmpty();
        }
    }

    @Test
    void proxyStripsSomeHeaders_noGoodCertificateIsGivenUp() throws IOException {
        for (int seed = 0; seed < HISTORIES; seed++) {
            Random strips = new Random(seed);
            History history = new History(seed, keys -> strips.nextInt(4) == 0 ? null : keys, Duration.ofDays(1_000));
            history.run();
            assertThat(history.givenUp).as("seed %s", seed).isSubsetOf(history.bad());
            assertThat(history.open).as("seed %s", seed).isSubsetOf(history.bad());
        }
    }

    @Test
    void noHeaders_noGoodCertificateIsGivenUpBeforeTheGrace() throws IOException {
        for (int seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed, keys -> null, Duration.ofDays(1_000));
            history.run();
            assertThat(history.givenUp).as("seed %s", seed).isEmpty();
            assertThat(history.open).as("seed %s", seed).isSubsetOf(history.bad());
        }
    }

    @Test
    void ruleSwitchedOff_noGrace_givesUpGoodCertificates() throws IOException {
        assertThat(goodGivenUp(keys -> null, Duration.ZERO)).isPositive();
    }

    @Test
    void ruleSwitchedOff_anyInstance_givesUpGoodCertificates() throws IOException {
        BackendKeys same = new BackendKeys("0", "0");
        assertThat(goodGivenUp(keys -> same, Duration.ofDays(1_000))).isPositive();
    }

    @Test
    void ruleSwitchedOff_anyStateOfTheKeys_givesUpGoodCertificates() throws IOException {
        assertThat(goodGivenUp(
                        keys -> keys == null ? null : new BackendKeys(keys.instance(), "0"), Duration.ofDays(1_000)))
                .isPositive();
    }

    private long goodGivenUp(Headers headers, Duration grace) throws IOException {
        long good = 0;
        for (int seed = 0; seed < HISTORIES; seed++) {
            History history = new History(seed, headers, grace);
            history.run();
            history.givenUp.removeAll(history.bad());
            good += history.givenUp.size();
        }
        return good;
    }

    /** A backend that has the key or lacks it. */
    private static final class Instance {
        private int number;
        private int state;
        private boolean hasKey;

        Instance(int number, boolean hasKey) {
            this.number = number;
            this.hasKey = hasKey;
        }

        BackendKeys keys() {
            return new BackendKeys("i" + number, "k" + state);
        }
    }

    private final class History {
        private final Random random;
        private final Headers headers;
        private final Duration grace;
        private final List<Instance> instances = new ArrayList<>();
        private final List<Sent> inFlight = new ArrayList<>();
        private final Set<Long> open = new HashSet<>();
        private final Set<Long> givenUp = new HashSet<>();
        private long nanos;
        private int started;

        /**
         * A certificate that was sent.
         *
         * @param isAccepted the backend's judgement; its answer names the keys that it has when it is sent
         */
        private record Sent(Queued queued, Instance by, boolean isAccepted) {}

        History(int seed, Headers headers, Duration grace) {
            this.random = new Random(seed);
            this.headers = headers;
            this.grace = grace;
        }

        Set<Long> bad() {
            return certificates(true);
        }

        Set<Long> good() {
            return certificates(false);
        }

        private static Set<Long> certificates(boolean areBad) {
            Set<Long> some = new HashSet<>();
            IntStream.rangeClosed(1, CERTIFICATES)
                    .filter(sequence -> isBad(sequence) == areBad)
                    .forEach(sequence -> some.add((long) sequence));
            return some;
        }

        private static boolean isBad(long sequence) {
            return sequence % EVERY_BAD == 0;
        }

        void run() throws IOException {
            Path outboxPath = directory.resolve("outbox" + Integer.toHexString(System.identityHashCode(this)));
            OutboxOptions options = new OutboxOptions(outboxPath, 64 << 20, 0);
            try (Outbox outbox = Outbox.open(options, InstantSource.system())) {
                outbox.append(Collections.nCopies(CERTIFICATES, "{}".getBytes(StandardCharsets.UTF_8)));
                outbox.pendingAfter(0, CERTIFICATES).forEach(entry -> open.add(entry.sequence()));
                assertThat(open).containsAll(bad()).containsAll(good());
                run(outbox);
            }
        }

        private void run(Outbox outbox) {
            SendQueue queue = new SendQueue(outbox);
            SignatureHold hold =
                    new SignatureHold(queue, new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(60), random), grace);
            for (int i = 0; i < 1 + random.nextInt(3); i++) {
                instances.add(new Instance(started++, random.nextBoolean()));
            }
            for (int i = 0; i < 400; i++) {
                step(queue, hold);
                if (random.nextInt(4) == 0) {
                    change();
                }
            }
            instances.forEach(instance -> {
                instance.state += instance.hasKey ? 0 : 1;
                instance.hasKey = true;
            });
            for (int i = 0; i < 10_000 && !open.isEmpty(); i++) {
                step(queue, hold);
            }
        }

        private void change() {
            Instance instance = instances.get(random.nextInt(instances.size()));
            switch (random.nextInt(3)) {
                case 0 -> instance.number = started++;
                case 1 -> {
                    instance.hasKey = !instance.hasKey;
                    instance.state++;
                }
                default -> {}
            }
        }

        private void step(SendQueue queue, SignatureHold hold) {
            nanos += Duration.ofMillis(random.nextInt(3_000)).toNanos();
            hold.step(nanos);
            if (inFlight.size() < 6) {
                send(queue, hold);
            }
            if (!inFlight.isEmpty() && random.nextInt(3) > 0) {
                answer(inFlight.remove(random.nextInt(inFlight.size())), queue, hold);
            }
        }

        private void send(SendQueue queue, SignatureHold hold) {
            Instance by = instances.get(random.nextInt(instances.size()));
            for (Queued queued : queue.take(nanos, 1 + random.nextInt(3), 1_000)) {
                if (hold.admits(queued, SHARD)) {
                    queued.sent++;
                    boolean isAccepted = by.hasKey && !isBad(queued.entry.sequence());
                    inFlight.add(new Sent(queued, by, isAccepted));
                }
            }
        }

        private void answer(Sent sent, SendQueue queue, SignatureHold hold) {
            Queued queued = sent.queued();
            if (random.nextInt(10) == 0) {
                hold.unanswered(queued, SHARD);
                queue.retry(queued);
                return;
            }
            BackendKeys keys = headers.apply(sent.by().keys());
            if (sent.isAccepted()) {
                hold.accepted(queued, SHARD, keys, nanos);
                settled(queued, queue);
            } else if (hold.refused(queued, SHARD, keys, nanos)) {
                hold.givenUp(queued);
                givenUp.add(queued.entry.sequence());
                open.remove(queued.entry.sequence());
            }
        }

        /** Settles a good certificate, or sends it once more as if it were another one, while bad ones are left. */
        private void settled(Queued queued, SendQueue queue) {
            if (open.stream().anyMatch(SignatureHistoriesTest.History::isBad) || random.nextInt(3) > 0) {
                Queued another =
                        new Queued(queued.entry, nanos + Duration.ofSeconds(20).toNanos());
                another.sent = 1;
                queue.retry(another);
            }
            open.remove(queued.entry.sequence());
        }
    }
}
