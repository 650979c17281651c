// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that no tool leaves a trace among a backend's refusals, with keys that are limited to shards: neither in the
 * counters on which alerts depend, nor on the page. Each command of both programs is in one of the lists.
 */
final class ToolTracesIT {
    private static final String SENDS_OR_CONTACTS_NO_BACKEND =
            "run certify sources submit status compact outbox dlq fsck keygen canonical sign verify";
    private static final String BACKEND_OR_CONTACTS_NO_BACKEND = "config explain feed policy keys postgres serve wal";
    private static final Pattern TRACE = Pattern.compile(
            "flk_(rejected|signature|conflicts|dedup_hits|rate_limited|unavailable|internal_errors|refused_early"
                    + "|operator_requests_refused|overruled|wal_errors|accepted|escalated).*");
    private static final Pattern COMMAND = Pattern.compile("(?m)^  ([a-z]+)  ");

    @TempDir
    private Path directory;

    @Test
    void everyCommandThatContactsABackend_leavesNoTraceOfARefusal() throws Exception {
        byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
        Ed25519Signer signer = new Ed25519Signer(seed);
        Path keys = Files.writeString(
                directory.resolve("keys.json"),
                ("{\"version\":1,\"keys\":[{\"id\":\"plant\",\"algorithm\":\"ed25519\",\"state\":\"active\","
                                + "\"public_key\":\"%s\",\"shard_prefixes\":[\"shard-\"]}]}")
                        .formatted(signer.publicKeyBase64()));
        Map<String, String> settings =
                Map.of("KEYS_FILE", keys.toString(), "PCS_SIGN_ALG", "ed25519", "PCS_HMAC_KEY", "");
        try (ServedBackend backend = BackendInJvm.start(directory, settings)) {
            Client client = new Client(backend.url());
            Pcs escalated = Pcs.number(1).with("regime", "\"sticky\"").signedBy(signer);
            assertThat(client.submit(escalated).status()).isEqualTo(202);
            client.awaitNothingPending();
            List<String> before = traces(client);

            Map<String, String> ofAgent = AgentHome.in(Files.createDirectory(directory.resolve("agent")))
                    .sendingTo(backend.url());
            ofAgent.remove("PCS_HMAC_KEY");
            ofAgent.put("PCS_SIGN_ALG", "ed25519");
            ofAgent.put("PCS_ED25519_PRIV_B64", Base64.getEncoder().encodeToString(seed));
            ofAgent.put("SHARD_ID", "shard-1");
            List<String> commands = List.of("doctor", "health", "diagnostics --output " + file("agent.zip"));
            assertListed(Command.ofAgent(ofAgent, "--help").out(), commands, SENDS_OR_CONTACTS_NO_BACKEND);
            for (String command : commands) {
                assertThat(Command.ofAgent(ofAgent, command.split(" ")).all())
                        .as(command)
                        .doesNotContainPattern("BAD +key|no process listens");
                assertThat(traces(client)).as(command).isEqualTo(before);
            }
            ofAgent.put("SHARD_ID", "foreign");
            assertThat(Command.ofAgent(ofAgent, "doctor").all()).contains("BAD key: ");
            Client.awaitUntil(() -> client.metric("flk_probes_total{result=\"foreign shard\",}") > 0);
            assertThat(traces(client)).as("doctor with a refused key").isEqualTo(before);

            Map<String, String> ofBackend = new LinkedHashMap<>(ServedBackend.environment(directory, settings));
            ofBackend.put("PORT", Integer.toString(backend.port()));
            for (String each : List.of("WAL", "DEDUP")) {
                ofBackend.put(each + "_DIR", file("data/" + each.toLowerCase(Locale.ROOT)));
            }
            commands = List.of(
                    "record --all",
                    "logs",
                    "outcomes backup " + file("backup"),
                    "agents",
                    "health",
                    "diagnostics --output " + file("backend.zip"));
            assertListed(Command.ofBackend(ofBackend, "--help").out(), commands, BACKEND_OR_CONTACTS_NO_BACKEND);
            for (String command : commands) {
                assertThat(Command.ofBackend(ofBackend, command.split(" ")).all())
                        .as(command)
                        .doesNotContain("nothing listens", "Unmatched", "Missing required");
                assertThat(traces(client)).as(command).isEqualTo(before);
            }
        }
    }

    private String file(String name) {
        return directory.resolve(name).toString();
    }

    /** Returns the counters of refusals and outcomes, and the list of refusals on the page. */
    private static List<String> traces(Client client) throws Exception {
        List<String> found = new ArrayList<>(client.get("/metrics")
                .body()
                .lines()
                .filter(line -> TRACE.matcher(line).matches())
                .toList());
        String page = client.get("/ui/refused").body();
        assertThat(page).contains("Refused before verification");
        found.add(page.contains("<td") ? page : "no refusal on the page");
        return found;
    }

    private static void assertListed(String help, List<String> run, String others) {
        Set<String> listed = new TreeSet<>(List.of(others.split(" ")));
        run.forEach(command -> listed.add(command.split(" ")[0]));
        assertThat(COMMAND.matcher(help).results().map(found -> found.group(1)).sorted())
                .containsExactlyElementsOf(listed);
    }
}
