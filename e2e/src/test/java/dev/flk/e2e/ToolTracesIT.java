// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that no tool leaves a trace among a backend's refusals, with keys that are limited to shards: neither in the
 * counters on which alerts depend, nor on the page.
 */
final class ToolTracesIT {
    /** The commands that contact no backend, or whose task is to send certificates. */
    private static final Set<String> OTHER_OF_BACKEND =
            Set.of("config", "explain", "feed", "policy", "keys", "postgres", "serve", "wal");

    private static final Set<String> OTHER_OF_AGENT = Set.of(
            "run",
            "certify",
            "sources",
            "submit",
            "status",
            "compact",
            "dlq",
            "fsck",
            "keygen",
            "canonical",
            "sign",
            "verify");

    private static final Pattern TRACE = Pattern.compile(
            "flk_(rejected|signature|conflicts|dedup_hits|rate_limited|unavailable|internal_errors|refused_early"
                    + "|operator_requests_refused|state_calls_refused|overruled|wal_errors|accepted|escalated).*");

    private static final Pattern COMMAND = Pattern.compile("(?m)^  ([a-z]+)  ");

    @TempDir
    private Path directory;

    @Test
    void everyCommandThatContactsABackend_leavesNoTraceOfARefusal() throws Exception {
        Ed25519Signer signer = new Ed25519Signer(seed("plant"));
        Path keys = Files.writeString(
                directory.resolve("keys.json"),
                ("{\"version\":1,\"keys\":[{\"id\":\"plant\",\"algorithm\":\"ed25519\",\"state\":\"active\","
                                + "\"public_key\":\"%s\",\"shard_prefixes\":[\"shard-\"]}]}")
                        .formatted(signer.publicKeyBase64()));
        Path token = Files.writeString(directory.resolve("token"), "any");
        Map<String, String> settings =
                Map.of("KEYS_FILE", keys.toString(), "PCS_SIGN_ALG", "ed25519", "PCS_HMAC_KEY", "", "STATE_PORT", "0");
        try (ServedBackend backend = BackendInJvm.start(directory, settings)) {
            Client client = new Client(backend.url());
            Pcs escalated = Pcs.number(1).with("regime", "\"sticky\"").signedBy(signer);
            assertThat(client.submit(escalated).status()).isEqualTo(202);
            client.awaitNothingPending();
            List<String> before = traces(client);

            Map<String, String> ofAgent = AgentHome.in(Files.createDirectory(directory.resolve("agent")))
                    .sendingTo(backend.url());
            ofAgent.put("PCS_SIGN_ALG", "ed25519");
            ofAgent.remove("PCS_HMAC_KEY");
            ofAgent.put("PCS_ED25519_PRIV_B64", Base64.getEncoder().encodeToString(seed("plant")));
            ofAgent.put("SHARD_ID", "shard-1");
            List<String> agentCommands = List.of(
                    "doctor",
                    "health",
                    "outbox resend --dry-run",
                    "diagnostics --output " + directory.resolve("agent.zip"));
            assertListed(Command.ofAgent(ofAgent, "--help").out(), agentCommands, OTHER_OF_AGENT);
            for (String command : agentCommands) {
                Command ended = Command.ofAgent(ofAgent, command.split(" "));
                assertThat(ended.all()).as(command).doesNotContain("BAD  key", "BAD key", "no process listens");
                assertThat(traces(client)).as(command).isEqualTo(before);
            }
            assertThat(client.metric("flk_probes_total{result=\"accepted\",}")).isPositive();
            ofAgent.remove("SHARD_ID"); // so that the key is refused for the shard of the probe
            assertThat(Command.ofAgent(ofAgent, "doctor").all()).contains("?   key: ");
            Client.awaitUntil(() -> client.metric("flk_probes_total{result=\"foreign shard\",}") > 0);
            assertThat(traces(client)).as("doctor with a refused key").isEqualTo(before);

            String id = escalated.id().toString();
            List<String> backendCommands = List.of(
                    "record",
                    "record --all",
                    "review list",
                    "review set " + id + " --verdict expected",
                    "review withdraw " + id,
                    "logs",
                    "outcomes backup " + directory.resolve("backup"),
                    "sessions list --token-file " + token,
                    "sessions get a --token-file " + token,
                    "state get a b --url " + backend.stateUrl(),
                    "state set a b {} --url " + backend.stateUrl(),
                    "health",
                    "diagnostics --output " + directory.resolve("backend.zip"));
            Map<String, String> ofBackend = new LinkedHashMap<>(ServedBackend.environment(directory, settings));
            ofBackend.put("PORT", Integer.toString(backend.port()));
            ofBackend.put("STATE_PORT", backend.stateUrl().replaceAll(".*:", ""));
            ofBackend.put("WAL_DIR", directory.resolve("data/wal").toString());
            ofBackend.put("DEDUP_DIR", directory.resolve("data/dedup").toString());
            ofBackend.put("STATE_DIR", directory.resolve("data/state").toString());
            assertListed(Command.ofBackend(ofBackend, "--help").out(), backendCommands, OTHER_OF_BACKEND);
            for (String command : backendCommands) {
                Command ended = Command.ofBackend(ofBackend, command.split(" "));
                assertThat(ended.all()).as(command).doesNotContain("nothing listens", "Unmatched", "Missing required");
                assertThat(traces(client)).as(command).isEqualTo(before);
            }
        }
    }

    private static byte[] seed(String text) {
        return Arrays.copyOf(text.getBytes(StandardCharsets.US_ASCII), Ed25519Signer.SEED_BYTES);
    }

    /** Returns the counters of refusals and outcomes, and the list of refusals on the page. */
    private static List<String> traces(Client client) throws Exception {
        List<String> found = new ArrayList<>(client.get("/metrics")
                .body()
                .lines()
                .filter(line -> TRACE.matcher(line).matches())
                .toList());
        assertThat(found).hasSizeGreaterThan(10);
        String page = client.get("/ui/refused").body();
        assertThat(page).contains("Refused before verification");
        found.add(page.contains("<td") ? page : "no refusal on the page");
        return found;
    }

    /** Checks that each command in a help text is run by this test, or is known to contact no backend. */
    private static void assertListed(String help, List<String> run, Set<String> others) {
        Set<String> listed = new TreeSet<>(others);
        run.forEach(command -> listed.add(command.split(" ")[0]));
        assertThat(COMMAND.matcher(help).results().map(found -> found.group(1)).sorted())
                .containsExactlyElementsOf(listed);
    }
}
