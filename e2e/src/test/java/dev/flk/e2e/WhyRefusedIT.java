// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.signing.HmacSigner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** {@code verify} of the agent and {@code explain} of the backend, compared with the answers of a running backend. */
final class WhyRefusedIT {
    private static final Map<String, String> KEY = Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", Pcs.KEY);

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of());

    @TempDir
    private Path directory;

    /** How a run ended, and what it printed. */
    private record Ended(int exitCode, String out) {}

    /** What {@code hmac(key, json.dumps(payload, sort_keys=True))} makes of a certificate that nobody has rounded. */
    private static Pcs sloppilySigned() {
        Pcs pcs = Pcs.number(1).with("D_hat", "1.00000000009");
        String text =
                "{\"D_hat\": 1.00000000009, \"budget\": 0.26, \"coh_star\": 0.5, \"epoch\": 1, \"merkle_root\": \""
                        + "5a".repeat(32) + "\", \"pcs_id\": \"" + pcs.id()
                        + "\", \"r\": 0.8, \"shard_id\": \"shard-1\"}";
        return pcs.tampered("sig", '"' + new HmacSigner(Pcs.KEY).sign(text.getBytes(StandardCharsets.UTF_8)) + '"');
    }

    @Test
    void wronglySigned_bothProgramsNameBothCauses() throws Exception {
        assertThat(backend.client().submit(sloppilySigned()).status()).isEqualTo(401);
        String file = Files.writeString(
                        directory.resolve("pcs.json"), sloppilySigned().json())
                .toString();
        Ended verified = run("flk-agent", "", "verify", file);
        Ended explained = run("flk-backend", "", "explain", file);
        for (Ended run : List.of(verified, explained)) {
            assertThat(run.exitCode()).isEqualTo(1);
            assertThat(run.out())
                    .contains("rounding       The reals were not rounded before they were signed.")
                    .contains("serialisation  A space follows each comma and colon")
                    .contains("should have been signed, ", "was signed, ")
                    .doesNotContain(Pcs.KEY);
        }
        assertThat(explained.out()).endsWith("401 {\"error\":\"Signature verification failed\"}\n");
        assertThat(StrictJson.read(
                                run("flk-agent", "", "verify", "--json", file).out())
                        .get("signature"))
                .isEqualTo(StrictJson.read(run("flk-backend", "", "explain", "--json", file)
                                .out())
                        .get("signature"));
    }

    static Stream<Arguments> submissions() {
        Pcs pcs = Pcs.number(new Random().nextInt(1_000_000) + 10);
        return Stream.of(
                Arguments.of("accepted", pcs.json(), 0),
                Arguments.of(
                        "escalated",
                        pcs.ofShard("escalated").with("regime", "\"sticky\"").json(),
                        1),
                Arguments.of(
                        "broken rule", pcs.ofShard("broken").with("seed", "1.5").json(), 1),
                Arguments.of("no certificate", "{\"pcs_id\":7}", 1),
                Arguments.of("too long", " ".repeat((1 << 20) + 1), 1),
                Arguments.of(
                        "signature missing",
                        pcs.ofShard("unsigned").without("sig").json(),
                        1));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("submissions")
    void explain_endsWithWhatTheBackendAnswers(String what, String body, int exitCode) throws Exception {
        Ended explained = run("flk-backend", body, "explain", "-");

        Answer answer = backend.client().submit(body.getBytes(StandardCharsets.UTF_8));

        assertThat(explained.exitCode()).isEqualTo(exitCode);
        List<String> lines = explained.out().lines().toList();
        assertThat(lines.get(lines.size() - 1)).isEqualTo(answer.status() + " " + answer.body());
    }

    private Ended run(String jar, String input, String... args) throws IOException {
        try (Program program = Program.java(jar, directory, KEY, Program.QUICK_START, args)) {
            program.input(input);
            return new Ended(program.awaitExit(), program.out());
        }
    }
}
