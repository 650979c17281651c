// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.flk.e2e.Client.Answer;
import io.apicurio.datamodels.Library;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** The OpenAPI document, with checks that answers match it. Locations in the document are JSON pointers. */
final class OpenApi {
    private static final String OUTCOMES = "/v1/shards/[^/]+/outcomes";
    private static final String CHANGES = "/v1/sessions/changes";
    private static final String SESSION = "/v1/sessions/.+";

    private static final String WHERE = "urn:flk:openapi";

    /** The headers that frame a message. The document does not describe them as headers. */
    private static final Set<String> FRAMING = Set.of("content-type", "content-length", "transfer-encoding");

    private static final String META = "https://json-schema.org/draft/2020-12/schema";
    private static final Pattern SCHEMA_KEYWORD =
            Pattern.compile("property \"(propertyNames|dependentRequired|if|then|else|contains)\" was found");

    private static OpenApi shared;

    private final JsonNode document;
    private final SchemaRegistry schemas;

    private OpenApi(JsonNode document) {
        this.document = document;
        this.schemas = SchemaRegistry.withDefaultDialect(
                SpecificationVersion.DRAFT_2020_12, builder -> builder.schemas(Map.of(WHERE, document.toString())));
    }

    /** Returns the parsed {@code docs/openapi.yaml}. */
    static synchronized OpenApi document() {
        if (shared == null) {
            try {
                Path file = Built.root().resolve("docs/openapi.yaml");
                shared = new OpenApi(new YAMLMapper().readTree(file.toFile()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return shared;
    }

    /**
     * Returns the error messages of two validators: one for the OpenAPI document, one for its schemas. The former
     * supports neither the examples of OpenAPI 3.1 nor some of the schema keywords.
     */
    List<String> mistakes() {
        ObjectNode withoutExamples = document.deepCopy();
        withoutExamples.findParents("examples").forEach(parent -> ((ObjectNode) parent).remove("examples"));
        List<String> mistakes = new ArrayList<>();
        Library.validate(Library.readDocument(withoutExamples), null).stream()
                .filter(problem -> !SCHEMA_KEYWORD.matcher(problem.message).find())
                .forEach(problem ->
                        mistakes.add(problem.errorCode + " at " + problem.nodePath + ": " + problem.message));
        document.at("/components/schemas")
                .forEach(schema -> schemas.getSchema(SchemaLocation.of(META))
                        .validate(schema)
                        .forEach(error -> mistakes.add(error.toString())));
        return mistakes;
    }

    JsonNode at(String pointer) {
        return document.at(pointer);
    }

    /** Fails if an answer does not match its description in the document. Does not compare answers to HEAD. */
    void require(String method, String path, Answer answer) {
        if (!method.equals("HEAD")) {
            assertThat(objections(response(method, path, answer.status()), answer))
                    .as("%s %s: %s", method, path, answer)
                    .isEmpty();
        }
        // the document can't describe a body that consists of several JSON values
        if (path.equals("/v1/pcs/batch") && answer.status() == 200) {
            requireLines("BatchLine", answer);
        } else if ((path.matches(OUTCOMES) || path.equals("/v1/outcomes")) && answer.status() == 200) {
            if (answer.header("Content-Type").startsWith("text/csv")) {
                requireColumns(response(method, path, 200), answer);
            } else {
                requireLines("RecordedOutcome", answer);
            }
        } else if (path.equals("/v1/shards") && answer.status() == 200) {
            requireLines("Shard", answer);
        } else if (path.equals(CHANGES) && answer.status() == 200) {
            requireChanges(answer);
        }
    }

    private void requireChanges(Answer answer) {
        assertThat(answer.body().split("\n\n"))
                .filteredOn(event -> event.contains("event: update\n") || event.contains("event: delete\n"))
                .allSatisfy(event -> assertThat(violations(
                                "/components/schemas/SessionChange",
                                StrictJson.read(event.substring(event.indexOf("data: ") + "data: ".length()))))
                        .isEmpty());
    }

    private void requireColumns(String response, Answer answer) {
        String example = at(response + "/content/text~1csv; charset=utf-8/examples/some/value")
                .asText();
        assertThat(answer.body().lines().findFirst()).isEqualTo(example.lines().findFirst());
    }

    private void requireLines(String schema, Answer answer) {
        assertThat(answer.body().lines())
                .allSatisfy(line -> assertThat(violations("/components/schemas/" + schema, StrictJson.read(line)))
                        .isEmpty());
    }

    /**
     * Returns the location of the description of a response. Responses with status 405, and with 404 for an unknown
     * path, belong to no operation and are described under names of their own.
     */
    private String response(String method, String path, int status) {
        String operation = operation(method, path);
        if (status == 405) {
            return "/components/responses/MethodNotAllowed";
        }
        return document.at(operation).isMissingNode()
                ? "/components/responses/NotFound"
                : resolve(operation + "/responses/" + status);
    }

    /** Returns the location of the path template that matches a request path. */
    private static String place(String path) {
        boolean isExact = path.matches("/v1/pcs/(submit|batch|known)") || path.equals(CHANGES);
        String template = isExact
                ? path
                : path.replaceFirst("^/v1/pcs/[^/]+$", "/v1/pcs/{pcs_id}")
                        .replaceFirst(OUTCOMES, "/v1/shards/{shard}/outcomes")
                        .replaceFirst("^/v1/reviews/groups/[^/]+$", "/v1/reviews/groups/{group}")
                        .replaceFirst("^/v1/agents/.+$", "/v1/agents/{id}")
                        .replaceFirst("^" + SESSION, "/v1/sessions/{id}");
        return "/paths/" + template.replace("/", "~1");
    }

    private static String operation(String method, String path) {
        return place(path) + "/" + method.toLowerCase(Locale.ROOT);
    }

    /** Returns the paths in the document, with each parameter replaced by {@code value}. */
    List<String> paths(String value, boolean areOfState) {
        return document.path("paths").properties().stream()
                .filter(path -> path.getValue().has("servers") == areOfState)
                .map(path -> path.getKey().replaceAll("\\{[^}]+}", value))
                .toList();
    }

    /** Returns the methods described for a path, in upper case. */
    Set<String> methods(String path) {
        Set<String> methods = new TreeSet<>();
        document.at(place(path)).fieldNames().forEachRemaining(name -> methods.add(name.toUpperCase(Locale.ROOT)));
        methods.removeAll(Set.of("PARAMETERS", "SERVERS"));
        return methods;
    }

    /** Returns the statuses described for a request. */
    Set<Integer> statuses(String method, String path) {
        Set<Integer> statuses = new TreeSet<>();
        document.at(operation(method, path) + "/responses")
                .fieldNames()
                .forEachRemaining(status -> statuses.add(Integer.valueOf(status)));
        return statuses;
    }

    /** Returns the target of the reference at {@code pointer}, or {@code pointer} itself if there is no reference. */
    private String resolve(String pointer) {
        JsonNode reference = document.at(pointer).path("$ref");
        return reference.isTextual() ? reference.textValue().substring(1) : pointer;
    }

    /** Returns the differences between an answer and the response described at {@code pointer}. */
    private List<String> objections(String pointer, Answer answer) {
        List<String> objections = new ArrayList<>();
        JsonNode response = document.at(pointer);
        if (response.isMissingNode()) {
            return List.of("nothing is described at " + pointer);
        }
        answer.headers().map().keySet().stream()
                .map(name -> name.toLowerCase(Locale.ROOT))
                .filter(name ->
                        !FRAMING.contains(name) && headerNamed(response, name).isEmpty())
                .forEach(name -> objections.add("no header " + name + " at " + pointer));
        response.path("headers").fieldNames().forEachRemaining(name -> {
            String header = resolve(pointer + "/headers/" + name);
            Optional<String> value = answer.headers().firstValue(name);
            if (value.isPresent()) {
                boolean isInteger =
                        document.at(header + "/schema/type").asText().equals("integer");
                objections.addAll(violations(
                        header + "/schema",
                        isInteger ? StrictJson.read(value.orElseThrow()) : TextNode.valueOf(value.orElseThrow())));
            } else if (document.at(header + "/required").asBoolean()) {
                objections.add("without " + name);
            }
        });
        String type = answer.headers().firstValue("Content-Type").orElse("none");
        if (!response.path("content").has(type)) {
            objections.add("no content " + type + " at " + pointer);
        } else {
            objections.addAll(violations(
                    pointer + "/content/" + type.replace("/", "~1") + "/schema", content(type, answer.body())));
        }
        return objections;
    }

    private static Optional<String> headerNamed(JsonNode response, String name) {
        Iterator<String> names = response.path("headers").fieldNames();
        while (names.hasNext()) {
            String next = names.next();
            if (next.equalsIgnoreCase(name)) {
                return Optional.of(next);
            }
        }
        return Optional.empty();
    }

    private static JsonNode content(String type, String body) {
        return type.equals("application/json") ? StrictJson.read(body) : TextNode.valueOf(body);
    }

    /** Returns how a value violates the schema at {@code pointer}. */
    List<String> violations(String pointer, JsonNode value) {
        return schemas.getSchema(SchemaLocation.of(WHERE + "#" + pointer)).validate(value).stream()
                .map(error -> error + " in " + value)
                .toList();
    }
}
