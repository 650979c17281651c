// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of {@code explain}: its output and exit code for certificates that are accepted, escalated, rejected and
 * refused.
 */
class ExplainCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path OUTCOMES =
            Path.of("..", "verifier-core", "src", "test", "resources", "golden", "outcomes.jsonl");
    private static final Map<String, String> SIGNED = Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", Pcs.KEY);
    private static final Ed25519Signer ED25519 = new Ed25519Signer(new byte[32]);
    private static final String BAD_SIGNATURE = "401 {\"error\":\"Signature verification failed\"}";

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path dir;

    /** Skips the random certificates, which the verifier's {@code GoldenOutcomesTest} covers. */
    @Test
    void goldenOutcomes_areReproducedByteForByteAndExplained() throws IOException {
        for (String line : Files.readAllLines(OUTCOMES)) {
            JsonNode golden = JSON.readTree(line);
            String name = golden.get("name").textValue();
            if (name.startsWith("random")) {
                continue;
            }
            int status = golden.get("status").intValue();
            Map<String, String> environment = Map.of(
                    "PCS_SIGN_ALG",
                    "hmac",
                    "PCS_HMAC_KEY",
                    golden.get("hmac_key").textValue());
            String certificate = golden.get("certificate").textValue();

            assertThat(explain(environment, certificate)).as(name).isEqualTo(status == 200 ? 0 : 1);

            List<String> lines = cli.out().lines().toList();
            assertThat(lines.get(lines.size() - 1))
                    .as(name)
                    .isEqualTo(status + " " + golden.get("body").textValue());
            cli.assertFits80Columns(1);
        }
    }

    @Test
    void accepted_showsEachStepWithItsNumbers() throws IOException {
        assertThat(explain(SIGNED, Pcs.number(1).json())).isZero();

        assertThat(cli.out())
                .isEqualTo("""
                        signature good, key KEY

                        1. D_hat can be recomputed: holds
                            N_j by scale 2: 5, 4: 10, 8: 20, 16: 40
                            slopes between all pairs of (log2 scale, log2 N_j), 6 in ascending order:
                            1.0 1.0 1.0 1.0 1.0 1.0
                        2. D_hat is close to the recomputed one: holds
                            recomputed D_hat, the median of the slopes: 1.0
                            claimed 1.0, difference 0.0, at most TOL_D 0.15
                        3. coh_star is within its bounds: holds
                            claimed 0.5, must be from 0 to 1 + TOL_COH 0.05
                        4. r is within its bounds: holds
                            claimed 0.8, must be from 0 to 1
                        5. the regime is the expected one: holds
                            claimed mixed, expected mixed for D_hat 1.0 and coh_star 0.5
                            sticky: coh_star >= 0.7, D_hat <= 1.5; non_sticky: D_hat >= 2.6; else mixed
                        6. the budget is close to the recomputed one: holds
                              0.1                    BUDGET_BASE
                            + 0.059999999999999984   BUDGET_ALPHA 0.3 * (1 - r 0.8)
                            + 0.0                    BUDGET_BETA 0.5 * max(0, D_hat 1.0 - BUDGET_D0 2.2)
                            + 0.1                    BUDGET_GAMMA 0.2 * coh_star 0.5
                            = 0.26                   clamped to [0, 1], rounded to 9 decimals
                            claimed 0.26, difference 0.0, at most TOL_BUDGET 0.01
                        7. the measurement was not degraded: holds
                            ft.degraded is not set

                        accepted under the policy d42d87fe4a98
                        200 {"pcs_id":"ID","accepted":true,"escalated":false,"D_hat":1.0,"recomputed_D_hat":1.0,\
                        "recomputed_budget":0.26,"regime":"mixed","policy":"d42d87fe4a98"}
                        """.replace("KEY", new HmacSigner(Pcs.KEY).keyId().text())
                        .replace("ID\"", Pcs.number(1).id() + "\""));
    }

    @Test
    void rejected_namesTheReasonAndLaterObjections() throws IOException {
        Pcs pcs = Pcs.number(1)
                .with("D_hat", "1.5")
                .with("regime", "\"sticky\"")
                .with("ft", "{\"degraded\":true,\"fallbacks\":[\"cached_merkle\"]}");

        assertThat(explain(SIGNED, pcs.json())).isEqualTo(1);

        assertThat(cli.out())
                .contains(
                        "2. D_hat is close to the recomputed one: rejected\n",
                        "    claimed 1.5, difference 0.5, more than TOL_D 0.15\n",
                        "    D_hat out of tolerance: claimed=1.5000, recomputed=1.0000, diff=0.5000 >\n",
                        "    tol=0.1500\n",
                        "5. the regime is the expected one: would have the same result\n",
                        "7. the measurement was not degraded: would have the same result\n",
                        "    ft.degraded is true, fallbacks: [cached_merkle]\n",
                        "\nrejected under the policy d42d87fe4a98\n202 {");
    }

    @Test
    void configuredPolicy_decides() throws IOException {
        Map<String, String> strict = Map.of("TOL_D", "0.01");
        String certificate = Pcs.number(1).with("D_hat", "1.1").json();

        assertThat(explain(Map.of(), certificate)).isZero();
        assertThat(explain(strict, certificate)).isEqualTo(1);

        assertThat(cli.out()).contains("difference 0.1, more than TOL_D 0.01");
    }

    @Test
    void wronglySigned_is401WithTheCause() throws IOException {
        String certificate = Pcs.number(1)
                .tampered("sig", '"' + new HmacSigner(Pcs.KEY + "\n").sign(canonicalOfNumber1()) + '"')
                .json();

        assertThat(explain(SIGNED, certificate)).isEqualTo(1);
        assertThat(cli.out())
                .startsWith(
                        "signature bad, and the mistake was found\n\nkey            The secret was used with a line")
                .endsWith("\n\n" + BAD_SIGNATURE + "\n")
                .doesNotContain("1. D_hat", Pcs.KEY);
        assertThat(explain(SIGNED, certificate, "--json")).isEqualTo(1);
        assertThat(cli.json()
                        .get("signature")
                        .get("differences")
                        .get(0)
                        .get("cause")
                        .textValue())
                .isEqualTo("key");
        assertThat(cli.json().get("status").intValue()).isEqualTo(401);
        assertThat(cli.json().has("steps")).isFalse();
    }

    @Test
    void configuredKeyOfTheOtherAlgorithm_isTried() throws IOException {
        Map<String, String> both = Map.of(
                "PCS_SIGN_ALG",
                "hmac",
                "PCS_HMAC_KEYS",
                "new,old",
                "PCS_ED25519_PUB_B64",
                "nonsense," + ED25519.publicKeyBase64());

        assertThat(explain(both, Pcs.number(1).signedBy("old").json())).isZero();
        assertThat(explain(both, Pcs.number(1).signedBy(ED25519).json())).isEqualTo(1);

        assertThat(cli.out())
                .contains("algorithm      It was made with Ed25519; PCS_SIGN_ALG asks for HMAC-SHA256.")
                .contains("key " + ED25519.keyId() + " of PCS_ED25519_PUB_B64");
    }

    @Test
    void tryKey_findsAKeyThatIsNotConfigured() throws IOException {
        Path old = Files.writeString(dir.resolve("old.key"), "old\n");

        assertThat(explain(SIGNED, Pcs.number(1).signedBy("old").json(), "--try-key", old.toString()))
                .isEqualTo(1);

        assertThat(cli.out().replaceAll("\\s+", " "))
                .contains("It was made with the key " + new HmacSigner("old").keyId() + " of " + old);
    }

    @Test
    void noKeyConfigured_saysSoAndExplainsTheRest() throws IOException {
        assertThat(explain(
                        Map.of("PORT", "x", "WAL_RETENTION", "1d"),
                        Pcs.number(1).without("sig").json()))
                .isZero();

        assertThat(cli.out())
                .startsWith("signature not checked: no key is configured\n\n1. D_hat can be recomputed: holds\n");
    }

    @Test
    void brokenRule_is400AndNamed() throws IOException {
        String body = Pcs.number(1).with("scales", "[2,2]").json();
        String rule = "scales must not repeat: 2 does";
        assertThat(explain(SIGNED, body)).isEqualTo(1);
        assertThat(cli.out())
                .endsWith("a rule of the format is broken\n    " + rule + "\n\n400 {\"error\":\"" + rule + "\"}\n");
        assertThat(explain(SIGNED, body, "--json")).isEqualTo(1);
        assertThat(cli.json().get("broken_rule").textValue()).isEqualTo(rule);
        assertThat(cli.json().get("status").intValue()).isEqualTo(400);
    }

    @Test
    void bodyOverTheLimit_is413() throws IOException {
        Map<String, String> small = Map.of("MAX_BODY_BYTES", "1KiB");

        assertThat(explain(small, " ".repeat(1025))).isEqualTo(1);

        assertThat(cli.out()).isEqualTo("413 {\"error\":\"body over 1024 bytes\"}\n");
    }

    @Test
    void manyScales_onlyTheMiddleSlopesAreShown() throws IOException {
        List<String> counts = new ArrayList<>();
        List<String> scales = new ArrayList<>();
        for (int scale = 2; scale < 22; scale++) {
            scales.add(String.valueOf(scale));
            counts.add("\"" + scale + "\":" + scale);
        }
        Pcs pcs = Pcs.number(1)
                .with("scales", "[" + String.join(",", scales) + "]")
                .with("N_j", "{" + String.join(",", counts) + "}");

        assertThat(explain(SIGNED, pcs.json())).isZero();
        assertThat(cli.out()).contains("190 in ascending order:\n    1.0 … 1.0 1.0 … 1.0\n");
        cli.assertFits80Columns(1);
        explain(SIGNED, pcs.json(), "--json");
        assertThat(cli.json().get("steps").get(0).get("slopes")).hasSize(190);
    }

    @Test
    void hugeClaims_infiniteTerm_isShownAndIsNullInJson() throws IOException {
        Pcs pcs = Pcs.number(1).with("r", "-1e308").with("coh_star", "1e308").with("budget", "1e308");

        assertThat(explain(Map.of("BUDGET_ALPHA", "1000"), pcs.json())).isEqualTo(1);
        assertThat(cli.out()).contains("+ Infinity ");
        explain(Map.of("BUDGET_ALPHA", "1000"), pcs.json(), "--json");
        assertThat(cli.json().get("steps").get(5).get("alpha_term").isNull()).isTrue();
    }

    @Test
    void invalidConfiguration_exits2() throws IOException {
        assertThat(explain(Map.of("PCS_HMAC_KEY", "topsecret"), Pcs.number(1).json()))
                .isEqualTo(2);
        assertThat(cli.err())
                .startsWith("flk-backend: the configuration has a problem:\n")
                .doesNotContain("topsecret");
        assertThat(cli.out()).isEmpty();
    }

    @Test
    void invalidUsage_exits2() throws IOException {
        Path empty = Files.writeString(dir.resolve("empty"), "");

        assertThat(cli.run(SIGNED, "explain")).isEqualTo(2);
        assertThat(explain(SIGNED, "{}", "--try-key", "/no/such/key")).isEqualTo(2);
        assertThat(cli.err()).contains("--try-key: can't use /no/such/key: there is no such file or directory");
        assertThat(explain(SIGNED, "{}", "--try-key", empty.toString())).isEqualTo(2);
        assertThat(cli.err()).contains("--try-key: " + empty + ": an HMAC secret is empty");
    }

    private static byte[] canonicalOfNumber1() {
        return ("{\"D_hat\":1.0,\"budget\":0.26,\"coh_star\":0.5,\"epoch\":1,\"merkle_root\":\"" + "5a".repeat(32)
                        + "\",\"pcs_id\":\"" + Pcs.number(1).id() + "\",\"r\":0.8,\"shard_id\":\"shard-1\"}")
                .getBytes(StandardCharsets.US_ASCII);
    }

    private int explain(Map<String, String> environment, String body, String... options) throws IOException {
        List<String> args = new ArrayList<>(List.of("explain"));
        args.addAll(List.of(options));
        args.add(Files.writeString(dir.resolve("pcs.json"), body).toString());
        return cli.run(environment, args.toArray(String[]::new));
    }
}
