// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static dev.flk.agent.send.Certificates.certificate;
import static dev.flk.agent.send.Certificates.id;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.agent.send.Resend.Fate;
import dev.flk.agent.send.Resend.Wanted;
import dev.flk.agent.send.ScriptedBackend.Said;
import dev.flk.certificate.CertificateReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of what is asked about and sent again, with backends whose answers a test defines. */
final class ResendTest {
    private static final Instant NOW = Instant.parse("2026-11-20T10:00:00Z");
    private static final Wanted ALL = wanted(null, null, null, false);

    @TempDir
    private Path directory;

    private final ScriptedBackend backend = open();
    private final ScriptedBackend other = open();
    private final List<String> notables = new ArrayList<>();
    private AgentConfig config;
    private long nanos;

    private static ScriptedBackend open() {
        try {
            return new ScriptedBackend();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static Wanted wanted(Instant since, Instant until, String shard, boolean isDryRun) {
        return new Wanted(
                Optional.ofNullable(since), Optional.ofNullable(until), Optional.ofNullable(shard), isDryRun, 10);
    }

    @BeforeEach
    void configure() throws Exception {
        backend.clock = () -> NOW.plusNanos(nanos);
        other.clock = backend.clock;
        Map<String, String> settings = backend.settings(directory);
        settings.put("ENDPOINT", backend.endpoint() + "," + other.endpoint());
        config = AgentConfig.load(settings, null, EnumSet.of(Need.ENDPOINT, Need.SIGNING));
    }

    @AfterEach
    void close() {
        backend.close();
        other.close();
    }

    /** Adds certificates with the epochs from {@code first} to {@code last} and settles them, so long ago. */
    private void fill(long first, long last, SettledAs how, Duration addedAgo, Duration settledAgo) throws Exception {
        Instant[] now = {NOW.minus(addedAgo)};
        try (Outbox outbox = Outbox.open(config.outbox(), () -> now[0])) {
            outbox.append(LongStream.rangeClosed(first, last)
                    .mapToObj(epoch -> certificate(epoch))
                    .toList());
            now[0] = NOW.minus(settledAgo);
            outbox.settle(how, outbox.pendingAfter(0, (int) (last - first + 1)));
        }
    }

    private Map<Fate, Integer> resend(Wanted wanted) throws IOException {
        InstantSource clock = () -> NOW.plusNanos(nanos);
        try (Resend resend = new Resend(
                config.sending(),
                wanted,
                (found, what) -> notables.add(found.entry().sequence() + " " + what),
                clock,
                () -> nanos,
                waited -> nanos += waited)) {
            resend.begin();
            return resend.run(new OutboxInspector(config.outbox().directory()));
        }
    }

    private List<String> sentTo(ScriptedBackend to) {
        return to.received.stream()
                .flatMap(String::lines)
                .map(ScriptedBackend::id)
                .toList();
    }

    @Test
    void missing_areSentAgain_toTheBackendThatLacksThem_asTheyWere() throws Exception {
        fill(1, 5, SettledAs.ACCEPTED, Duration.ofDays(2), Duration.ofDays(1));
        backend.known = id -> id.equals(id(2)) || id.equals(id(4)) ? "unknown" : "outcome";
        other.known = id -> id.equals(id(5)) ? "given_up" : "unknown";

        assertThat(resend(ALL)).isEqualTo(Map.of(Fate.OUTCOME, 2, Fate.UNKNOWN, 2, Fate.GIVEN_UP, 1, Fate.ACCEPTED, 3));

        assertThat(sentTo(backend)).containsExactly(id(2), id(4));
        assertThat(sentTo(other)).containsExactly(id(5));
        assertThat(other.received.get(0))
                .contains(
                        "\"outbox_seq\":5",
                        "\"attempt\":1",
                        "\"sent_at\":\"2026-11-20T10:00:00",
                        "\"sig\":\"" + signature(5));
        assertThat(notables).isEmpty();
    }

    private String signature(long epoch) throws Exception {
        return config.sending()
                .signer()
                .orElseThrow()
                .sign(CertificateReader.parse(certificate(epoch)).canonicalForm());
    }

    @Test
    void dryRun_sendsNothing() throws Exception {
        fill(1, 3, SettledAs.ACCEPTED, Duration.ofDays(2), Duration.ofDays(1));
        backend.known = id -> "unknown";

        assertThat(resend(wanted(null, null, null, true))).isEqualTo(Map.of(Fate.UNKNOWN, 3));
        assertThat(backend.received).isEmpty();
    }

    @Test
    void onlyWhatIsWanted_settledAndSurelyNotForgotten_isAskedAbout() throws Exception {
        fill(1, 1, SettledAs.ACCEPTED, Duration.ofDays(14), Duration.ofHours(1));
        fill(2, 2, SettledAs.ACCEPTED, Duration.ofDays(5), Duration.ofDays(4));
        fill(3, 3, SettledAs.ESCALATED, Duration.ofDays(3), Duration.ofDays(2));
        fill(4, 4, SettledAs.ACCEPTED, Duration.ofDays(1), Duration.ofHours(23));
        fill(5, 5, SettledAs.DEAD, Duration.ofDays(3), Duration.ofDays(2));
        backend.known = id -> "unknown";
        Instant since = NOW.minus(Duration.ofDays(3));
        Instant until = NOW.minus(Duration.ofDays(2));

        assertThat(resend(wanted(since, until, null, true))).isEqualTo(Map.of(Fate.TOO_OLD, 1, Fate.UNKNOWN, 1));
        assertThat(resend(wanted(null, null, null, true))).isEqualTo(Map.of(Fate.TOO_OLD, 1, Fate.UNKNOWN, 3));
        assertThat(resend(wanted(null, null, "shard-2", true))).isEmpty();
        backend.dedupTtl = Duration.ofDays(4);
        assertThat(resend(wanted(null, null, null, true))).isEqualTo(Map.of(Fate.TOO_OLD, 2, Fate.UNKNOWN, 2));
    }

    @Test
    void refusedAndOtherAnswers_areNamed_andLaterOnesRepeated() throws Exception {
        fill(1, 4, SettledAs.ESCALATED, Duration.ofDays(2), Duration.ofDays(1));
        backend.known = id -> "unknown";
        List<String> limited = new ArrayList<>(List.of(id(4)));
        backend.submit = line -> {
            String id = ScriptedBackend.id(line);
            if (limited.remove(id)) {
                return Said.error(429, "Too many requests").with("Retry-After", "7");
            }
            return id.equals(id(1))
                    ? Said.error(401, "Signature verification failed")
                    : id.equals(id(2)) ? Said.recorded(line).with("X-Flk-Conflict", "true") : Said.recorded(line);
        };

        assertThat(resend(ALL)).isEqualTo(Map.of(Fate.UNKNOWN, 4, Fate.REFUSED, 2, Fate.ACCEPTED, 2, Fate.DIFFERS, 2));

        assertThat(notables)
                .containsExactly(
                        "1 refused: status 401, the backend does not accept this signature any more",
                        "2 refused: status 200, the backend has recorded other content under this id",
                        "3 answered 200, and the first time 202",
                        "4 answered 200, and the first time 202");
        assertThat(nanos).isGreaterThanOrEqualTo(Duration.ofSeconds(7).toNanos());
    }

    /** A proxy may permit less than the agent sends together. */
    @Test
    void requestThatIsTooLarge_isSentInParts() throws Exception {
        fill(1, 3, SettledAs.ACCEPTED, Duration.ofDays(2), Duration.ofDays(1));
        backend.known = id -> "unknown";
        backend.batch = lines -> Said.error(413, "too large");

        assertThat(resend(ALL)).isEqualTo(Map.of(Fate.UNKNOWN, 3, Fate.ACCEPTED, 3));
    }

    @Test
    void certificates_areSentAtTheRate() throws Exception {
        fill(1, 35, SettledAs.ACCEPTED, Duration.ofDays(2), Duration.ofDays(1));
        backend.known = id -> "unknown";

        assertThat(resend(ALL)).containsEntry(Fate.ACCEPTED, 35);
        assertThat(nanos).as("ten each second, and the first ten at once").isEqualTo(3_000_000_000L);
    }

    @ParameterizedTest
    @CsvSource({
        "9223372036854775807, 2026-11-20T10:00:00Z",
        "18446744073709551621, 2026-11-20T10:00:00Z",
        "-5, 2026-11-20T10:00:00Z",
        "0, 2026-11-20T10:00:00Z",
        "864000.5, 2026-11-20T10:00:00Z",
        "'\"864000\"', 2026-11-20T10:00:00Z",
        "864000, +1000000000-12-31T23:59:59Z",
        "864000, -1000000000-01-01T00:00:00Z",
    })
    void knownAnswer_withANumberThatNoBackendSends_isNotABackends(String ttlSeconds, String now) throws Exception {
        fill(1, 1, SettledAs.ACCEPTED, Duration.ofDays(2), Duration.ofDays(1));
        backend.knownSuffix = "\"now\":\"" + now + "\",\"dedup_ttl_seconds\":" + ttlSeconds;

        assertThatThrownBy(() -> resend(ALL))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("an answer that is not a backend's");
    }

    @Test
    void aBackendThatDoesNotAnswer_isNoAnswer() throws Exception {
        fill(1, 1, SettledAs.ACCEPTED, Duration.ofDays(2), Duration.ofDays(1));
        backend.known = id -> "perhaps";
        assertThatThrownBy(() -> resend(ALL)).hasMessageContaining("an answer that is not a backend's");

        other.close();
        assertThatThrownBy(() -> resend(ALL))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("no progress with " + other.endpoint() + ": no connection");
        assertThat(backend.received).isEmpty();
    }
}
