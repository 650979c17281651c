// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.agent.cli.Cli.Ended;
import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.HmacSigner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the output and the exit codes of {@code verify}. */
class VerifyCommandTest {
    private static final String SEED = Base64.getEncoder().encodeToString(new byte[32]);
    private static final Ed25519Signer ED25519 = Ed25519Signer.ofBase64(SEED);

    /** A payload with unrounded numbers and with spaces, as {@code json.dumps(payload, sort_keys=True)} prints it. */
    private static final String SLOPPY = "{\"D_hat\": 1.00000000009, \"budget\": 0.26, \"coh_star\": 0.5, \"epoch\": 1,"
            + " \"merkle_root\": \"" + "5a".repeat(32) + "\", \"pcs_id\": \""
            + Pcs.number(1).id() + "\", \"r\": 0.8, \"shard_id\": \"shard-1\"}";

    private static final String SLOPPILY_SIGNED = Pcs.number(1)
            .with("D_hat", "1.00000000009")
            .tampered("sig", '"' + new HmacSigner(Pcs.KEY).sign(SLOPPY.getBytes(StandardCharsets.UTF_8)) + '"')
            .json();

    @TempDir
    Path directory;

    private Cli cli;
    private Ended ended;

    @BeforeEach
    void prepare() {
        cli = new Cli(directory).unwatched();
    }

    @Test
    void signedByTheConfiguredKey_exits0() throws IOException {
        configure();

        assertThat(verify(Pcs.number(1).json())).isZero();

        assertThat(out()).isEqualTo("signature good, key " + new HmacSigner(Pcs.KEY).keyId() + "\n");
        assertThat(err()).isEmpty();
    }

    @Test
    void wronglySigned_exits1WithAnExplanationIn80Columns() throws IOException {
        configure();

        assertThat(verify(SLOPPILY_SIGNED)).isEqualTo(1);

        assertThat(out())
                .startsWith("signature bad, and the mistake was found\n")
                .contains("rounding       The reals were not rounded", "serialisation  A space follows")
                .contains("should have been signed, ", "was signed, ")
                .doesNotContain(Pcs.KEY);
        assertThat(out().lines()).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
        assertThat(err()).isEmpty();
    }

    @Test
    void keyFiles_firstMustVerify_othersOnlyExplain() throws IOException {
        String wanted = write("wanted.properties", "PCS_SIGN_ALG=hmac\nPCS_HMAC_KEY=wanted\n");
        String used = write("used.key", Pcs.KEY + "\n");

        assertThat(verify(Pcs.number(1).json(), "--key", wanted, "--key", used)).isEqualTo(1);
        assertThat(out().replaceAll("\\s+", " "))
                .contains("key It was made with the key " + new HmacSigner(Pcs.KEY).keyId() + " of " + used)
                .contains("was signed: the same text");
        assertThat(verify(Pcs.number(1).json(), "--key", used, "--key", wanted)).isZero();
    }

    @Test
    void keyFileOfKeygen_forEd25519_verifies() throws IOException {
        String key = write("agent.properties", "PCS_SIGN_ALG=ed25519\nPCS_ED25519_PRIV_B64=" + SEED + "\n");

        assertThat(verify(Pcs.number(1).signedBy(ED25519).json(), "--key", key)).isZero();
        assertThat(verify(Pcs.number(1).json(), "--key", key, "--key", write("other.key", Pcs.KEY)))
                .isEqualTo(1);
        assertThat(out()).contains("algorithm      It was made with HMAC-SHA256; PCS_SIGN_ALG asks for Ed25519.");
    }

    @Test
    void publicKey_takesPrecedenceOverKeyFiles() throws IOException {
        String[] options = {"--public-key", ED25519.publicKeyBase64(), "--key", write("other.key", Pcs.KEY)};

        assertThat(verify(Pcs.number(1).signedBy(ED25519).json(), options)).isZero();
        assertThat(verify(Pcs.number(1).json(), options)).isEqualTo(1);
        assertThat(out()).contains("PCS_SIGN_ALG asks for Ed25519.");
    }

    @Test
    void brokenRule_exits1AndIsReportedWithTheSignature() throws IOException {
        configure();
        String broken = Pcs.number(1).with("regime", "\"odd\"").json();

        assertThat(verify(broken)).isEqualTo(1);
        assertThat(out()).startsWith("signature good, key ");
        assertThat(err()).isEqualTo("flk-agent: regime must be sticky, mixed or non_sticky\n");
        assertThat(verify(broken, "--json")).isEqualTo(1);
        assertThat(json().get("broken_rule").textValue()).isEqualTo("regime must be sticky, mixed or non_sticky");
        assertThat(json().get("signature").get("verdict").textValue()).isEqualTo("good");
    }

    @Test
    void notACertificate_exits1WithoutMentionOfASignature() throws IOException {
        configure();

        assertThat(verify("{}", "--json")).isEqualTo(1);

        assertThat(json().has("signature")).isFalse();
        assertThat(json().get("broken_rule").textValue()).isEqualTo("pcs_id is missing");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "PCS_HMAC_KEY_FILE=/run/secret\n",
                "PCS_SIGN_ALG=hmac\n",
                "PCS_SIGN_ALG=ed25519\nPCS_HMAC_KEY=topsecret\n",
                "PCS_ED25519_PRIV_B64=topsecret\n",
                "",
                "\n"
            })
    void keyFileWithoutAKey_exits2WithoutQuotingIt(String content) throws IOException {
        assertThat(verify(Pcs.number(1).json(), "--key", write("key", content))).isEqualTo(2);

        assertThat(err()).startsWith("flk-agent: --key: ").contains("key").doesNotContain("topsecret", "\tat ");
        assertThat(out()).isEmpty();
    }

    @Test
    void invalidKeyFile_exits2() throws IOException {
        assertThat(verify(Pcs.number(1).json(), "--key", "/no/such/key")).isEqualTo(2);
        assertThat(err()).startsWith("flk-agent: --key: there is no file /no/such/key\n");

        assertThat(verify(Pcs.number(1).json(), "--key", write("long", "x".repeat(70_000))))
                .isEqualTo(2);
        assertThat(unwrapped(err())).contains("is longer than 64 KiB");

        Path binary = Files.write(directory.resolve("binary"), new byte[] {(byte) 0xff, (byte) 0xfe});
        assertThat(verify(Pcs.number(1).json(), "--key", binary.toString())).isEqualTo(2);
        assertThat(unwrapped(err())).contains("is not UTF-8 text");
    }

    private void configure() {
        cli.with("PCS_SIGN_ALG", "hmac");
        cli.with("PCS_HMAC_KEY", Pcs.KEY);
    }

    private String write(String name, String content) throws IOException {
        return Files.writeString(directory.resolve(name), content).toString();
    }

    private int verify(String certificate, String... options) throws IOException {
        List<String> args = new ArrayList<>(List.of("verify"));
        args.addAll(List.of(options));
        args.add(write("pcs.json", certificate));
        ended = cli.run(args.toArray(String[]::new));
        return ended.exitCode();
    }

    private static String unwrapped(String text) {
        return text.replace("\n    ", " ");
    }

    private String out() {
        return ended.out();
    }

    private String err() {
        return ended.err();
    }

    private JsonNode json() throws IOException {
        assertThat(out().lines()).hasSize(1);
        return new ObjectMapper().readTree(out());
    }
}
