// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.flk.sample.Pcs;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that {@code docs/feed.schema.json} describes outcomes and reviews as a backend prints them. */
final class FeedSchemaIT {
    private static final Path FILE = Built.root().resolve("docs/feed.schema.json");

    @TempDir
    private Path directory;

    @Test
    void outcomesAndReviews_matchTheSchema() throws Exception {
        JsonNode document = StrictJson.read(Files.readString(FILE));
        Schema schema = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                .getSchema(document);
        Pcs measured = Pcs.number(1)
                .with("ft", "{\"window_start\":\"2026-01-19T10:00:00Z\",\"window_end\":\"2026-01-19T10:10:00Z\"}");
        Pcs refused = Pcs.number(2).with("D_hat", "1.9");
        for (JsonNode line : changes(measured, refused)) {
            String kind = line.path("kind").asText();
            ObjectNode value = ((ObjectNode) line).without(List.of("kind", "cursor"));
            assertThat(names(value)).isSubsetOf(names(document.at("/$defs/" + kind + "/properties")));
            if (kind.equals("outcome")) {
                assertThat(schema.validate(value)).as("without a body").isNotEmpty();
                value.put("body", measured.json());
            }
            assertThat(schema.validate(value)).as(value.toString()).isEmpty();
            if (kind.equals("outcome")) {
                value.remove("body");
                value.putObject("body_omitted")
                        .put("bytes", 1_048_576)
                        .put("sha256", "0".repeat(64))
                        .put("sequence", 31);
                assertThat(schema.validate(value)).as(value.toString()).isEmpty();
            }
        }
    }

    /** Returns the outcomes of two certificates, and a review of the second one. */
    private List<JsonNode> changes(Pcs first, Pcs second) throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("STATE_PORT", "0"))) {
            Client client = new Client(backend.url());
            client.awaitReady();
            client.submit(first);
            client.submit(second);
            Client.awaitUntil(() -> client.get("/v1/outcomes").body().lines().count() == 2);
            String review = "{\"ids\":[\"" + second.id() + "\"],\"verdict\":\"fault\"}";
            assertThat(client.send(client.request("/v1/reviews")
                                    .header("Content-Type", "application/json")
                                    .PUT(BodyPublishers.ofString(review)))
                            .status())
                    .isEqualTo(200);
            List<JsonNode> lines = new ArrayList<>();
            client.get("/v1/outcomes/changes").body().lines().forEach(line -> lines.add(StrictJson.read(line)));
            assertThat(lines)
                    .extracting(line -> line.path("kind").asText())
                    .containsExactly("outcome", "outcome", "review");
            assertThat(names(lines.get(0))).contains("window_end", "N_j");
            assertThat(names(lines.get(1))).contains("reason");
            return lines;
        }
    }

    private static TreeSet<String> names(JsonNode object) {
        TreeSet<String> names = new TreeSet<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
