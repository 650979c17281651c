// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.KeysFixture.KeyText;
import dev.flk.backend.access.keys.ReloadedKeys.KeysMetrics;
import dev.flk.backend.access.keys.Signatures.Authentication.Accepted;
import dev.flk.backend.access.keys.Signatures.Authentication.Refused;
import dev.flk.program.metrics.Metrics;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.SignatureCheck;
import dev.flk.signing.SigningKey;
import dev.flk.signing.message.MessageSigner;
import dev.flk.signing.message.SignedRequest;
import dev.flk.signing.message.UnacceptableRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests which key may sign requests for which session, with a keys file and with simple settings. */
final class RequestSignaturesTest {
    private static final Instant START = Instant.parse("2026-11-20T10:00:00Z");
    private static final String SECRET = "a secret of the test, long enough";

    /** Two secrets from which the same id is derived. */
    private static final List<String> TWINS =
            List.of("a secret of the test, number 46286", "a secret of the test, number 61943");

    @TempDir
    private Path directory;

    private final Metrics metrics = new Metrics("test");
    private Instant now = START;
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
        inForce =
                new ReloadedKeys(keys.file(), null, () -> now, () -> false, System::nanoTime, new KeysMetrics(metrics));
    }

    private static SignedRequest request(SigningKey key) throws UnacceptableRequest {
        return tampered(key, "/v1/sessions/plant-7");
    }

    /** Returns a request to this target whose signature is for the session {@code plant-7}. */
    private static SignedRequest tampered(SigningKey key, String target) throws UnacceptableRequest {
        byte[] body = {'{', '}'};
        Map<String, List<String>> headers = new HashMap<>();
        MessageSigner.of(key)
                .sign("PUT", "/v1/sessions/plant-7", Map.of(), body, START, "n")
                .forEach((name, value) -> headers.put(name.toLowerCase(Locale.ROOT), List.of(value)));
        return SignedRequest.parse("PUT", target, name -> headers.getOrDefault(name, List.of()), body);
    }

    private Signatures.Authentication authenticate(SigningKey key, String sessionId) throws UnacceptableRequest {
        return inForce.authenticate(request(key), sessionId);
    }

    @Test
    void authenticate_withoutAgents_acceptsShardNames() throws Exception {
        open(
                KeyText.ed25519("named", 1).shards("plant-7", "plant-8/line-1"),
                KeyText.ed25519("begins", 2).prefixes("plant-"),
                KeyText.ed25519("all", 3).prefixes(""),
                KeyText.hmac("shared", "a.secret").shards("plant-7"));

        for (String sessionId : List.of("plant-7", "plant-7/", "plant-7/line 2/x")) {
            assertThat(authenticate(KeysFixture.signer(1), sessionId)).isEqualTo(new Accepted("named"));
            assertThat(authenticate(KeysFixture.signer(2), sessionId)).isEqualTo(new Accepted("begins"));
            assertThat(authenticate(KeysFixture.signer(3), sessionId)).isEqualTo(new Accepted("all"));
            assertThat(authenticate(new HmacSigner(SECRET), sessionId)).isEqualTo(new Accepted("shared"));
        }
        for (String foreign : List.of("plant-70", "plant", "plant-8/line-1", "", "/plant-7", "Plant-7")) {
            assertThat(authenticate(KeysFixture.signer(1), foreign))
                    .isEqualTo(new Refused(SignatureRefusal.FOREIGN_SHARD, "named"));
        }
        for (String nobody : List.of("", "/", "/plant-7")) {
            assertThat(authenticate(KeysFixture.signer(3), nobody))
                    .isEqualTo(new Refused(SignatureRefusal.FOREIGN_SHARD, "all"));
        }
    }

    @Test
    void authenticate_withAgents_acceptsOnlyThese() throws Exception {
        open(
                KeyText.ed25519("listed", 1).shards("plant-8").with("agents", "[\"plant-7\",\"robot\"]"),
                KeyText.ed25519("unlisted", 2).prefixes("").with("agents", "[]"));

        assertThat(authenticate(KeysFixture.signer(1), "plant-7/line-1")).isEqualTo(new Accepted("listed"));
        assertThat(authenticate(KeysFixture.signer(1), "robot")).isEqualTo(new Accepted("listed"));
        for (String foreign : List.of("plant-8", "robot-1", "plant", "")) {
            assertThat(authenticate(KeysFixture.signer(1), foreign))
                    .isEqualTo(new Refused(SignatureRefusal.FOREIGN_SHARD, "listed"));
        }
        assertThat(authenticate(KeysFixture.signer(2), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.FOREIGN_SHARD, "unlisted"));
    }

    @Test
    void authenticate_unknownKeyOrChangedRequest_isRefused() throws Exception {
        open(KeyText.ed25519("a", 1).prefixes(""));

        assertThat(authenticate(KeysFixture.signer(9), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.UNKNOWN_KEY, null));
        assertThat(inForce.authenticate(tampered(KeysFixture.signer(1), "/v1/sessions/plant-8"), "plant-8"))
                .isEqualTo(new Refused(SignatureRefusal.UNKNOWN_KEY, null));
        assertThat(authenticate(new HmacSigner(SECRET), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.OTHER_ALGORITHM, null));
    }

    @Test
    void authenticate_keyStatesAndValidity_areObserved() throws Exception {
        open(
                KeyText.ed25519("old", 1).shards("plant-7").state("retiring"),
                KeyText.ed25519("gone", 2).shards("plant-7").state("revoked"),
                KeyText.hmac("lost", "no.secret").shards("plant-7").state("revoked"),
                KeyText.ed25519("timed", 3)
                        .shards("plant-7")
                        .with("valid_from", "\"2026-11-20T10:00:10Z\"")
                        .with("valid_until", "\"2026-11-20T10:00:20Z\""));

        assertThat(authenticate(KeysFixture.signer(1), "plant-7")).isEqualTo(new Accepted("old"));
        assertThat(sample(metrics, "flk_retiring_key_submissions_total")).isEqualTo(1);
        assertThat(authenticate(KeysFixture.signer(2), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.REVOKED, "gone"));
        assertThat(authenticate(KeysFixture.signer(2), "plant-8"))
                .isEqualTo(new Refused(SignatureRefusal.REVOKED, "gone"));
        assertThat(authenticate(new HmacSigner(SECRET), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.UNKNOWN_KEY, null));
        now = START.plusSeconds(9);
        assertThat(authenticate(KeysFixture.signer(3), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.NOT_YET_VALID, "timed"));
        now = START.plusSeconds(10);
        assertThat(authenticate(KeysFixture.signer(3), "plant-7")).isEqualTo(new Accepted("timed"));
        now = START.plusSeconds(20);
        assertThat(authenticate(KeysFixture.signer(3), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.EXPIRED, "timed"));
    }

    @Test
    void authenticate_twoKeysWithTheSameId_findsTheSigner() throws Exception {
        assertThat(new HmacSigner(TWINS.get(0)).keyId()).isEqualTo(new HmacSigner(TWINS.get(1)).keyId());
        keys.secret("0.secret", TWINS.get(0)).secret("1.secret", TWINS.get(1));
        open(
                KeyText.hmac("first", "0.secret").shards("plant-7"),
                KeyText.hmac("second", "1.secret").shards("plant-7"));

        assertThat(authenticate(new HmacSigner(TWINS.get(0)), "plant-7")).isEqualTo(new Accepted("first"));
        assertThat(authenticate(new HmacSigner(TWINS.get(1)), "plant-7")).isEqualTo(new Accepted("second"));
    }

    @Test
    void step_revokedKey_canNoLongerSignRequests() throws Exception {
        open(KeyText.ed25519("a", 1).shards("plant-7"));
        keys.write(KeyText.ed25519("a", 1).shards("plant-7").state("revoked"));
        assertThat(authenticate(KeysFixture.signer(1), "plant-7")).isEqualTo(new Accepted("a"));
        inForce.step();
        assertThat(authenticate(KeysFixture.signer(1), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.REVOKED, "a"));
    }

    @Test
    void anyOf_everyKeyCanSignForEverySession() throws Exception {
        Signatures signatures = Signatures.anyOf(0, SignatureCheck.hmac(List.of("another", SECRET)));
        HmacSigner key = new HmacSigner(SECRET);

        assertThat(signatures.authenticate(request(key), "anyone/else"))
                .isEqualTo(new Accepted(key.keyId().text()));
        assertThat(signatures.authenticate(request(new HmacSigner("unknown")), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.UNKNOWN_KEY, null));
        assertThat(signatures.authenticate(request(KeysFixture.signer(1)), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.OTHER_ALGORITHM, null));
    }

    @Test
    void anyOf_signaturesNotChecked_refusesEveryRequest() throws Exception {
        assertThat(Signatures.anyOf(0, SignatureCheck.none()).authenticate(request(new HmacSigner(SECRET)), "plant-7"))
                .isEqualTo(new Refused(SignatureRefusal.OTHER_ALGORITHM, null));
    }
}
