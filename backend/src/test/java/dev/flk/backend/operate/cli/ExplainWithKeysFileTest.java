// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.KeysFixture;
import dev.flk.backend.access.keys.KeysFixture.KeyText;
import dev.flk.sample.Pcs;
import dev.flk.signing.HmacSigner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of {@code explain} with {@code KEYS_FILE}: the output shows which key signed, whether it may sign and, if not,
 * all objections.
 */
final class ExplainWithKeysFileTest {
    private static final String SECRET = "a secret of the test, long enough";
    private static final String BAD_SIGNATURE = "401 {\"error\":\"Signature verification failed\"}\n";
    private static final Pcs CERTIFICATE = Pcs.number(1);

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path directory;

    private KeysFixture keys;

    @BeforeEach
    void fixture() throws IOException {
        keys = new KeysFixture(directory).secret("a.secret", SECRET);
    }

    private static Pcs signed(int signer) {
        return CERTIFICATE.signedBy(KeysFixture.signer(signer));
    }

    /** Returns a certificate whose signature covers the default output of {@code json.dumps}, which contains spaces. */
    private static Pcs withSpaces(String secret) {
        String text = "{\"D_hat\": 1.0, \"budget\": 0.26, \"coh_star\": 0.5, \"epoch\": 1, \"merkle_root\": \""
                + "5a".repeat(32) + "\", \"pcs_id\": \"" + CERTIFICATE.id()
                + "\", \"r\": 0.8, \"shard_id\": \"shard-1\"}";
        return CERTIFICATE.tampered(
                "sig", '"' + new HmacSigner(secret).sign(text.getBytes(StandardCharsets.US_ASCII)) + '"');
    }

    @Test
    void goodSignature_showsTheKeyItsStateAndWhyItIsAllowed() throws Exception {
        keys.write(
                KeyText.ed25519("first", 1).state("retiring").with("valid_until", "\"2999-12-01T00:00:00Z\""),
                KeyText.ed25519("line", 2).prefixes("other/", "shard-"),
                KeyText.hmac("all", "a.secret").prefixes(""));

        assertThat(explain(signed(1))).isZero();
        assertThat(cli.out()).startsWith("""
                signature good, key first

                state          retiring: change the agent to another key
                valid until    2999-12-01T00:00:00Z
                shard          may sign for shard-1, by its name

                1. D_hat can be recomputed: holds
                """);
        assertThat(explain(signed(2))).isZero();
        assertThat(cli.out()).startsWith("""
                signature good, key line

                state          active
                shard          may sign for shard-1, because it begins with shard-
                """);
        assertThat(explain(CERTIFICATE.signedBy(SECRET))).isZero();
        assertThat(cli.out()).contains("shard          may sign for shard-1, as for all shards\n");
    }

    @Test
    void goodSignature_json_hasTheKeyAndItsState() throws Exception {
        keys.write(KeyText.ed25519("first", 1).state("retiring"));

        assertThat(explain(signed(1), "--json")).isZero();

        assertThat(cli.json().get("signature").toString()).isEqualTo("{\"verdict\":\"good\",\"key_id\":\"first\"}");
        assertThat(cli.json().at("/key/state").textValue()).isEqualTo("retiring");
        assertThat(cli.json().at("/key/may_sign").booleanValue()).isTrue();
        assertThat(cli.json().get("objections")).isEmpty();
        assertThat(cli.json().get("shard_keys").toString()).isEqualTo("[{\"id\":\"first\",\"standing\":\"retiring\"}]");
        assertThat(cli.json().get("status").intValue()).isEqualTo(200);
    }

    @Test
    void keyNotAllowed_isNamedWithEachReasonAndTheKeysOfTheShard() throws Exception {
        keys.write(
                KeyText.ed25519("stolen", 1).shards("line-7", "line 8").state("revoked"),
                KeyText.ed25519("over", 2).with("valid_until", "\"2026-01-01T00:00:00Z\""),
                KeyText.ed25519("later", 3).with("valid_from", "\"2999-01-01T00:00:00Z\""),
                KeyText.ed25519("theirs", 4).prefixes("other/").with("valid_until", "\"2026-01-01T00:00:00Z\""));

        assertThat(explain(signed(1))).isEqualTo(1);
        assertThat(cli.out()).isEqualTo("""
                signature good, but key stolen may not sign

                revoked        It was revoked permanently.
                               Give the agent another key of the shard. If the agents of the
                               shard already have one, another party signs with this one.
                foreign shard  It may not sign for shard-1, only for line-7, "line 8".
                               Sign with a key of that shard, or add the shard to this one in
                               the keys file. If neither is right, the key may be stolen.
                keys of shard  shard-1 has over (expired), later (early).

                """ + BAD_SIGNATURE);
        assertThat(explain(signed(2))).isEqualTo(1);
        assertThat(cli.out())
                .containsPattern(
                        "expired        It expired at 2026-01-01T00:00:00Z, and the time here is\\s+\\d{4}-[-0-9T:.]+Z\\.\n")
                .doesNotContain("foreign shard");
        assertThat(explain(signed(3))).isEqualTo(1);
        assertThat(cli.out()).contains("not yet valid  It becomes valid at 2999-01-01T00:00:00Z, and the time here is");
        assertThat(explain(signed(4), "--json")).isEqualTo(1);
        assertThat(cli.json().get("signature").toString())
                .isEqualTo("{\"verdict\":\"not_allowed\",\"key_id\":\"theirs\"}");
        assertThat(cli.json().get("objections").findValuesAsText("reason")).containsExactly("foreign shard", "expired");
        assertThat(cli.json().at("/key/shard_prefixes/0").textValue()).isEqualTo("other/");
        assertThat(cli.json().get("status").intValue()).isEqualTo(401);
    }

    @Test
    void wronglySigned_namesTheCauseAndOtherObstaclesOfTheKey() throws Exception {
        keys.write(KeyText.hmac("shared", "a.secret"), KeyText.ed25519("b", 2));

        assertThat(explain(withSpaces(SECRET))).isEqualTo(1);
        assertThat(cli.out())
                .startsWith("signature bad, and the mistake was found\n\nserialisation  A space follows each comma")
                .contains("keys of shard  shard-1 has shared (active), b (active).\n")
                .doesNotContain("may not sign", "PCS_", SECRET);

        keys.write(KeyText.hmac("shared", "a.secret").shards("elsewhere").state("revoked"), KeyText.ed25519("b", 2));
        assertThat(explain(withSpaces(SECRET))).isEqualTo(1);
        assertThat(cli.out())
                .contains(
                        "\nbesides, key shared may not sign here\n\nrevoked        It was",
                        "\nforeign shard  It may not")
                .endsWith("\n\n" + BAD_SIGNATURE);
    }

    @Test
    void unknownKey_namesTheKeysOfTheShardAndThoseNotTried() throws Exception {
        keys.write(
                KeyText.ed25519("a", 1).shards("elsewhere"),
                KeyText.hmac("gone", "no.secret").state("revoked"));

        assertThat(explain(signed(9))).isEqualTo(1);

        assertThat(cli.out())
                .startsWith("signature bad: probably made with another key\n")
                .endsWith("""

                        keys of shard  shard-1 has gone (revoked).
                        not tried      gone: revoked, and the secret no longer exists.

                        """ + BAD_SIGNATURE);
        assertThat(explain(signed(9).tampered("shard_id", "\"shard \\u001b[2J\"")))
                .isEqualTo(1);
        assertThat(cli.out()).contains("keys of shard  \"shard \\u001b[2J\" has none.\n");
    }

    private int explain(Pcs certificate, String... options) throws IOException {
        List<String> args = new ArrayList<>(List.of("explain"));
        args.addAll(List.of(options));
        args.add(Files.writeString(directory.resolve("pcs.json"), certificate.json())
                .toString());
        int exitCode = cli.run(Map.of("KEYS_FILE", keys.file().toString()), args.toArray(String[]::new));
        if (!args.contains("--json")) {
            cli.assertFits80Columns(1);
        }
        return exitCode;
    }
}
