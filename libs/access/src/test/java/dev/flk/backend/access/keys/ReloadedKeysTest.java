// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.keys.KeysFixture.KeyText;
import dev.flk.backend.access.keys.ReloadedKeys.KeysMetrics;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.time.SteadyClock;
import dev.flk.sample.Pcs;
import dev.flk.sample.SecretVolume;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests which key may sign for which shard and when, and that a changed keys file takes effect unless it is invalid.
 */
final class ReloadedKeysTest {
    private static final String SECRET = "a secret of the test, long enough";
    private static final Instant START = Instant.parse("2026-11-20T10:00:00Z");

    @TempDir
    private Path directory;

    private final Metrics metrics = new Metrics("test");
    private final KeysMetrics keysMetrics = new KeysMetrics(metrics);
    private long millis = START.toEpochMilli();
    private long setByMillis;
    private KeysFixture keys;
    private ReloadedKeys inForce;

    @BeforeEach
    void fixture() throws IOException {
        keys = new KeysFixture(directory).secret("a.secret", SECRET);
    }

    @AfterEach
    void close() {
        if (inForce != null) {
            inForce.close();
        }
    }

    private void open(KeyText... entries) throws Exception {
        keys.write(entries);
        openWhatIsThere();
    }

    private void openWhatIsThere() throws Exception {
        SteadyClock clock = new SteadyClock(
                () -> Instant.ofEpochMilli(millis + setByMillis),
                () -> millis * 1_000_000,
                Duration.ofMinutes(5),
                Duration.ofDays(14));
        inForce = new ReloadedKeys(keys.file(), null, clock, clock::isInDoubt, System::nanoTime, keysMetrics);
    }

    private static ParsedCertificate parsed(Pcs pcs) throws MalformedCertificate {
        return CertificateReader.parse(pcs.bytes());
    }

    private static Pcs signed(int signer) {
        return Pcs.number(1).signedBy(KeysFixture.signer(signer));
    }

    private Optional<String> verify(Pcs pcs) throws MalformedCertificate {
        return inForce.verify(parsed(pcs));
    }

    /** Returns the reason why a certificate is refused, and the id of the key that signed it. */
    private Map.Entry<SignatureRefusal, String> why(Pcs pcs) throws MalformedCertificate {
        assertThat(verify(pcs)).isEmpty();
        List<Map.Entry<SignatureRefusal, String>> reported = Collections.synchronizedList(new ArrayList<>());
        inForce.examine(parsed(pcs), (reason, key) -> reported.add(Map.entry(reason, String.valueOf(key))));
        await().until(() -> !reported.isEmpty());
        assertThat(reported).hasSize(1);
        return reported.get(0);
    }

    @Test
    void verify_shardByNameOrPrefix_isAccepted_otherShardsAreRefused() throws Exception {
        open(
                KeyText.ed25519("named", 1),
                KeyText.ed25519("begins", 2).prefixes("shard-", "line/"),
                KeyText.ed25519("all", 3).prefixes(""),
                KeyText.hmac("shared", "a.secret"));

        assertThat(verify(signed(1))).hasValue("named");
        assertThat(verify(signed(2))).hasValue("begins");
        assertThat(verify(signed(3))).hasValue("all");
        assertThat(verify(Pcs.number(1).signedBy(SECRET))).hasValue("shared");
        for (String foreign : List.of("shard-10", "shard-", "Shard-1", "shard-1 ")) {
            assertThat(why(signed(1).ofShard(foreign))).isEqualTo(Map.entry(SignatureRefusal.FOREIGN_SHARD, "named"));
        }
        assertThat(verify(signed(2).ofShard("shard-10"))).hasValue("begins");
        assertThat(verify(signed(2).ofShard("line/"))).hasValue("begins");
        assertThat(why(signed(2).ofShard("line"))).isEqualTo(Map.entry(SignatureRefusal.FOREIGN_SHARD, "begins"));
        assertThat(verify(signed(3).ofShard("anything"))).hasValue("all");
    }

    @Test
    void verify_unknownOrMissingOrTampered_isRefused() throws Exception {
        open(KeyText.ed25519("a", 1));
        assertThat(why(signed(9))).isEqualTo(Map.entry(SignatureRefusal.UNKNOWN_KEY, "null"));
        assertThat(why(signed(1).tampered("epoch", "2"))).isEqualTo(Map.entry(SignatureRefusal.UNKNOWN_KEY, "null"));
        assertThat(why(signed(1).without("sig"))).isEqualTo(Map.entry(SignatureRefusal.MISSING, "null"));
        assertThat(why(signed(1).tampered("sig", "\"\""))).isEqualTo(Map.entry(SignatureRefusal.MISSING, "null"));
        assertThat(why(signed(1).tampered("sig", "\"x\""))).isEqualTo(Map.entry(SignatureRefusal.UNKNOWN_KEY, "null"));
        assertThat(why(Pcs.number(1))).isEqualTo(Map.entry(SignatureRefusal.OTHER_ALGORITHM, "null"));
    }

    @Test
    void verify_shardFarTooLong_isRefusedAndNotExamined() throws Exception {
        open(KeyText.ed25519("a", 1).prefixes("s"));
        assertThat(why(signed(9).ofShard("s".repeat(Examiner.MAX_BYTES))))
                .isEqualTo(Map.entry(SignatureRefusal.NOT_EXAMINED, "null"));
    }

    @Test
    void verify_keyStates_areObserved() throws Exception {
        open(KeyText.ed25519("a", 1).state("retiring"), KeyText.ed25519("b", 2).state("revoked"));
        assertThat(verify(signed(1))).hasValue("a");
        assertThat(sample(metrics, "flk_retiring_key_submissions_total")).isEqualTo(1);
        assertThat(why(signed(2))).isEqualTo(Map.entry(SignatureRefusal.REVOKED, "b"));
    }

    @Test
    void verify_validity_includesItsBeginningAndExcludesItsEnd() throws Exception {
        open(KeyText.ed25519("a", 1)
                .with("valid_from", "\"2026-11-20T10:00:10Z\"")
                .with("valid_until", "\"2026-11-20T10:00:20Z\""));
        assertThat(sample(metrics, "flk_keys_first_end_seconds"))
                .isEqualTo(START.plusSeconds(20).toEpochMilli() / 1000.0);
        millis += 9_999;
        assertThat(why(signed(1))).isEqualTo(Map.entry(SignatureRefusal.NOT_YET_VALID, "a"));
        millis += 1;
        assertThat(verify(signed(1))).hasValue("a");
        millis += 9_999;
        assertThat(verify(signed(1))).hasValue("a");
        millis += 1;
        assertThat(why(signed(1))).isEqualTo(Map.entry(SignatureRefusal.EXPIRED, "a"));
        assertThat(sample(metrics, "flk_keys_first_end_seconds")).isZero();
    }

    @Test
    void verify_clockSetAhead_expiresNoKeyForAnHour() throws Exception {
        open(KeyText.ed25519("a", 1).with("valid_until", "\"2026-11-21T00:00:00Z\""));
        setByMillis = Duration.ofDays(400).toMillis();
        assertThat(verify(signed(1))).hasValue("a");
        millis += Duration.ofMinutes(61).toMillis();
        assertThat(why(signed(1))).isEqualTo(Map.entry(SignatureRefusal.EXPIRED, "a"));
    }

    @Test
    void verify_clockSetBack_neitherRevivesNorDisablesAKey() throws Exception {
        open(
                KeyText.ed25519("old", 1).with("valid_until", "\"2026-11-20T00:00:00Z\""),
                KeyText.ed25519("new", 2).with("valid_from", "\"2026-11-20T00:00:00Z\""));
        setByMillis = -Duration.ofDays(2).toMillis();
        assertThat(why(signed(1))).isEqualTo(Map.entry(SignatureRefusal.EXPIRED, "old"));
        assertThat(verify(signed(2))).hasValue("new");
        setByMillis = 0;
        assertThat(verify(signed(2))).hasValue("new");
    }

    @Test
    void step_changedFile_takesEffect() throws Exception {
        open(KeyText.ed25519("a", 1));
        keys.write(KeyText.ed25519("a", 1).state("revoked"), KeyText.ed25519("b", 2));
        assertThat(verify(signed(1))).hasValue("a");
        millis += 7_000;
        inForce.step();
        assertThat(why(signed(1))).isEqualTo(Map.entry(SignatureRefusal.REVOKED, "a"));
        assertThat(verify(signed(2))).hasValue("b");
        assertThat(sample(metrics, "flk_keys_loaded_seconds"))
                .isEqualTo(START.plusSeconds(7).toEpochMilli() / 1000.0);
    }

    @Test
    void step_changedSecret_takesEffect() throws Exception {
        open(KeyText.hmac("h", "a.secret"));
        String other = "another secret, of the same kind";
        keys.secret("a.secret", other);
        inForce.step();
        assertThat(verify(Pcs.number(1).signedBy(SECRET))).isEmpty();
        assertThat(verify(Pcs.number(1).signedBy(other))).hasValue("h");
    }

    private String version() {
        return inForce.version();
    }

    @Test
    void version_sameKeys_isTheSameInAnyOrderAndNamesNoSecret() throws Exception {
        open(KeyText.ed25519("a", 1), KeyText.hmac("h", "a.secret"));
        String first = version();

        keys.secret("b.secret", SECRET).write(KeyText.hmac("h", "b.secret"), KeyText.ed25519("a", 1));
        inForce.step();

        assertThat(version()).matches("[0-9a-f]{16}").isEqualTo(first);
    }

    @Test
    void version_otherSignaturesAreAccepted_isAnother() throws Exception {
        open(KeyText.ed25519("a", 1), KeyText.hmac("h", "a.secret"));
        Set<String> versions = new HashSet<>(Set.of(version()));
        long since = inForce.since();
        List<KeyText> changes = List.of(
                KeyText.ed25519("a", 1),
                KeyText.ed25519("a", 2),
                KeyText.ed25519("b", 1),
                KeyText.ed25519("a", 1).shards("shard-2"),
                KeyText.ed25519("a", 1).prefixes("shard-1"),
                KeyText.ed25519("a", 1).state("retiring"),
                KeyText.ed25519("a", 1).state("revoked"),
                KeyText.ed25519("a", 1).with("agents", "[]"),
                KeyText.ed25519("a", 1).with("valid_until", "\"2027-01-01T00:00:00Z\""),
                KeyText.ed25519("a", 1).with("valid_from", "\"2026-01-01T00:00:00Z\""));
        for (KeyText change : changes) {
            keys.write(change);
            millis += 1_000;
            inForce.step();
            assertThat(versions.add(version())).as("a change of the keys").isTrue();
            assertThat(inForce.since()).isGreaterThan(since);
            since = inForce.since();
        }
    }

    @Test
    void version_secretIsReplaced_isAnother() throws Exception {
        open(KeyText.hmac("h", "a.secret"));
        String before = version();

        keys.secret("a.secret", "another secret, of the same kind");
        inForce.step();

        assertThat(version()).isNotEqualTo(before);
    }

    @Test
    void version_keyBecomesValidAndEnds_changesWithTheAnswers() throws Exception {
        open(KeyText.ed25519("a", 1)
                .with("valid_from", quoted(START.plusSeconds(1)))
                .with("valid_until", quoted(START.plusSeconds(2))));
        Map<String, Long> versions = new LinkedHashMap<>();
        for (int i = 0; i < 3; i++) {
            assertThat(verify(signed(1)).isPresent()).isEqualTo(i == 1);
            versions.put(version(), inForce.since());
            millis += 1_000;
        }
        assertThat(versions).hasSize(3);
        assertThat(versions.values())
                .containsExactly(
                        START.toEpochMilli(),
                        START.plusSeconds(1).toEpochMilli(),
                        START.plusSeconds(2).toEpochMilli());
    }

    /** Two states of the same version must have different times, so that answers by the first do not count later. */
    @Test
    void since_keysComeBackAtOnce_isAnother() throws Exception {
        open(KeyText.ed25519("a", 1));
        String version = version();
        long since = inForce.since();

        keys.write(KeyText.ed25519("b", 2));
        inForce.step();
        keys.write(KeyText.ed25519("a", 1));
        inForce.step();

        assertThat(version()).isEqualTo(version);
        assertThat(inForce.since()).isGreaterThan(since + 1);
    }

    private static String quoted(Instant time) {
        return '"' + time.toString() + '"';
    }

    /** Opening a pipe would block forever, so that no key could be revoked any more. */
    @Test
    @Timeout(20)
    void step_pipeAsASecret_isAnError_andALaterRevocationTakesEffect() throws Exception {
        open(KeyText.hmac("h", "a.secret"), KeyText.ed25519("a", 1));
        Files.delete(directory.resolve("a.secret"));
        assertThat(new ProcessBuilder("mkfifo", directory.resolve("a.secret").toString())
                        .start()
                        .waitFor())
                .isZero();

        inForce.step();
        assertThat(sample(metrics, "flk_keys_file_bad")).isEqualTo(1);
        keys.write(KeyText.ed25519("a", 1).state("revoked"));
        inForce.step();

        assertThat(sample(metrics, "flk_keys_file_bad")).isZero();
        assertThat(verify(signed(1))).isEmpty();
    }

    @Test
    void step_editOfTheSameSizeAndTime_takesEffect() throws Exception {
        open(KeyText.hmac("h", "a.secret"));
        Path secret = directory.resolve("a.secret");
        FileTime time = Files.getLastModifiedTime(secret);
        String other = SECRET.replace("test", "tess");
        Files.writeString(secret, Files.readString(secret).replace(SECRET, other));
        Files.setLastModifiedTime(secret, time);

        inForce.step();

        assertThat(verify(Pcs.number(1).signedBy(other))).hasValue("h");
    }

    @Test
    void step_kubernetesVolume_takesEffectWhenItsLinkIsSwapped() throws Exception {
        SecretVolume volume = new SecretVolume(Files.createDirectory(directory.resolve("mounted")));
        keys = new KeysFixture(directory.resolve("mounted"));
        new KeysFixture(volume.version("a"))
                .secret("h.secret", SECRET)
                .write(KeyText.ed25519("a", 1), KeyText.hmac("h", "h.secret"));
        volume.swapTo("a");
        openWhatIsThere();
        assertThat(verify(signed(1))).hasValue("a");

        new KeysFixture(volume.version("b"))
                .secret("h.secret", SECRET)
                .write(KeyText.ed25519("a", 1).state("revoked"), KeyText.hmac("h", "h.secret"));
        inForce.step();
        assertThat(verify(signed(1))).hasValue("a");
        volume.swapTo("b");
        inForce.step();
        assertThat(why(signed(1))).isEqualTo(Map.entry(SignatureRefusal.REVOKED, "a"));

        String other = "another secret, as long as the 1";
        new KeysFixture(volume.version("c"))
                .secret("h.secret", other)
                .write(KeyText.ed25519("a", 1).state("revoked"), KeyText.hmac("h", "h.secret"));
        volume.swapTo("c");
        inForce.step();
        assertThat(verify(Pcs.number(1).signedBy(SECRET))).isEmpty();
        assertThat(verify(Pcs.number(1).signedBy(other))).hasValue("h");
        assertThat(sample(metrics, "flk_keys_file_errors_total")).isZero();
    }

    /** The files may have the same size and modification time, for example after an archive was unpacked. */
    @Test
    void step_volumeWithTheSameSizesAndTimes_isDistinguishedByInodes() throws Exception {
        SecretVolume volume = new SecretVolume(Files.createDirectory(directory.resolve("mounted")));
        keys = new KeysFixture(directory.resolve("mounted"));
        for (String name : List.of("a", "b")) {
            new KeysFixture(volume.version(name)).write(KeyText.ed25519(name, name.equals("a") ? 1 : 2));
            Files.setLastModifiedTime(directory.resolve("mounted/.." + name + "/keys.json"), FileTime.from(START));
        }
        volume.swapTo("a");
        openWhatIsThere();
        volume.swapTo("b");
        inForce.step();
        assertThat(verify(signed(2))).hasValue("b");
    }

    @Test
    void step_invalidFile_keepsTheOldKeysAndCountsOnceUntilFixed() throws Exception {
        open(KeyText.ed25519("a", 1));
        keys.write(KeyText.ed25519("a", 1).state("gone"), KeyText.hmac("h", "missing.secret"));
        for (int i = 0; i < 25; i++) {
            inForce.step();
        }
        assertThat(verify(signed(1))).hasValue("a");
        assertThat(sample(metrics, "flk_keys_file_errors_total")).isEqualTo(1);
        assertThat(sample(metrics, "flk_keys_file_bad")).isEqualTo(1);

        keys.write(KeyText.ed25519("a", 1), KeyText.hmac("h", "missing.secret"));
        inForce.step();
        assertThat(sample(metrics, "flk_keys_file_errors_total")).isEqualTo(2);
        keys.secret("missing.secret", "a secret that was late");
        inForce.step();
        assertThat(verify(Pcs.number(1).signedBy("a secret that was late"))).hasValue("h");
        assertThat(sample(metrics, "flk_keys_file_bad")).isZero();

        Files.delete(keys.file());
        inForce.step();
        assertThat(verify(signed(1))).hasValue("a");
        assertThat(sample(metrics, "flk_keys_file_bad")).isEqualTo(1);
    }

    @Test
    void open_invalidFile_isRefused() {
        assertThatExceptionOfType(InvalidFileException.class)
                .isThrownBy(() -> open(KeyText.ed25519("a", 1).state("x")))
                .satisfies(e -> assertThat(e.problems()).hasSize(1));
    }

    @Test
    void examine_flood_isMostlyNotExamined() throws Exception {
        open(KeyText.ed25519("a", 1));
        ParsedCertificate refused = parsed(signed(9));
        Queue<SignatureRefusal> reported =
                new ConcurrentLinkedQueue<>(); // the examiner reports other reasons on its own thread
        int flood = 4 * Examiner.MAX_WAITING;
        for (int i = 0; i < flood; i++) {
            inForce.examine(refused, (reason, key) -> reported.add(reason));
        }
        assertThat(reported).contains(SignatureRefusal.NOT_EXAMINED);
        assertThat(reported.stream()
                        .filter(SignatureRefusal.NOT_EXAMINED::equals)
                        .count())
                .isGreaterThan(flood - 2L * Examiner.MAX_WAITING);
    }
}
