// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** {@code deploy/grafana} and {@code docs/monitoring.md}: what they ask for is what the two programs expose. */
final class DashboardsIT {
    private static final Path DASHBOARDS = Built.root().resolve("deploy/grafana/dashboards");
    private static final Path DOCS = Built.root().resolve("docs");

    private static final Pattern VARIABLE = Pattern.compile("label_values\\(([a-z_]+), ([a-z_]+)\\)");
    private static final Pattern IN_LEGEND = Pattern.compile("\\{\\{([a-z_]+)}}");
    private static final Pattern PAGE = Pattern.compile("docs/([a-z-]+\\.md)");
    private static final Pattern QUERY = Pattern.compile("(?m)^```promql\\n(.*?)\\n```$", Pattern.DOTALL);
    private static final Pattern OWN_NAME = Pattern.compile("\\bflk_[a-z0-9_]+");

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of(), Program.QUICK_START.toArray(String[]::new));

    @TempDir
    static Path directory;

    private static Program agent;
    private static Exposed ofBackend;
    private static Exposed ofAgent;

    /** A program, its dashboard, and its chapter of the docs. */
    enum Subject {
        BACKEND("flk-backend", "## The backend's metrics"),
        AGENT("flk-agents", "## The agent's metrics");

        private final String uid;
        private final String chapter;

        Subject(String uid, String chapter) {
            this.uid = uid;
            this.chapter = chapter;
        }

        Exposed exposed() {
            return this == BACKEND ? ofBackend : ofAgent;
        }

        JsonNode dashboard() throws IOException {
            return StrictJson.read(Files.readString(DASHBOARDS.resolve(uid + ".json")));
        }

        /** All panels that are not the title of a row. */
        List<JsonNode> panels() throws IOException {
            return children(dashboard(), "panels")
                    .filter(panel -> !text(panel, "type").equals("row"))
                    .toList();
        }
    }

    /** A line of a table of metrics. */
    private record Row(String name, String type, String labels, String line) {}

    @BeforeAll
    static void scrape() throws Exception {
        Map<String, String> environment = new HashMap<>(
                AgentHome.in(directory).sendingTo(backend.process().url()));
        environment.put("METRICS_PORT", "0");
        agent = Program.java("flk-agent", directory, environment, Program.QUICK_START, "run");
        String line = agent.awaitLine(text -> text.contains("metrics on port "));
        Matcher port = Pattern.compile("metrics on port ([0-9]+)").matcher(line);
        assertThat(port.find()).isTrue();
        ofBackend = Exposed.of(backend.client().get("/metrics").body());
        ofAgent = Exposed.of(
                new Client("http://127.0.0.1:" + port.group(1)).get("/metrics").body());
    }

    @AfterAll
    static void stop() {
        if (agent != null) {
            agent.close();
        }
    }

    @Test
    void dashboards_areThese_eachUnderItsFixedUid() throws IOException {
        try (Stream<Path> files = Files.list(DASHBOARDS)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrderElementsOf(Stream.of(Subject.values())
                            .map(subject -> subject.uid + ".json")
                            .toList());
        }
        for (Subject subject : Subject.values()) {
            assertThat(text(subject.dashboard(), "uid")).isEqualTo(subject.uid);
            assertThat(subject.dashboard().path("id").isMissingNode()).isTrue();
            assertThat(children(subject.dashboard(), "links").map(link -> text(link, "url")))
                    .allMatch(url -> Stream.of(Subject.values()).anyMatch(other -> url.equals("/d/" + other.uid)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void variables_areAPrometheusToChoose_andInstancesOfAMetricThatIsThere(Subject subject) throws IOException {
        Map<String, JsonNode> variables = children(subject.dashboard().path("templating"), "list")
                .collect(Collectors.toMap(variable -> text(variable, "name"), variable -> variable));
        assertThat(variables).containsOnlyKeys("datasource", "instance");
        assertThat(text(variables.get("datasource"), "type")).isEqualTo("datasource");
        assertThat(text(variables.get("datasource"), "query")).isEqualTo("prometheus");
        JsonNode instance = variables.get("instance");
        Matcher query = VARIABLE.matcher(text(instance.path("query"), "query"));
        assertThat(query.matches()).as(instance.toString()).isTrue();
        assertThat(text(instance, "definition")).isEqualTo(query.group());
        assertThat(subject.exposed().hasSample(query.group(1)))
                .as(query.group())
                .isTrue();
        assertThat(query.group(2)).isEqualTo("instance");
        assertThat(text(instance.path("datasource"), "uid")).isEqualTo("${datasource}");
    }

    @ParameterizedTest
    @EnumSource
    void queries_askForWhatTheProgramExposes(Subject subject) throws IOException {
        List<String> missing = new ArrayList<>();
        for (JsonNode panel : subject.panels()) {
            assertThat(children(panel, "targets")).as(text(panel, "title")).isNotEmpty();
            children(panel, "targets").forEach(target -> {
                Promql query = Promql.read(text(target, "expr"));
                query.missingFrom(subject.exposed()).forEach(what -> missing.add(text(panel, "title") + ": " + what));
                query.uses().forEach(use -> {
                    if (!"$instance".equals(use.selected().get("instance"))) {
                        missing.add(text(panel, "title") + ": does not ask for the chosen instances in " + use);
                    }
                });
                IN_LEGEND
                        .matcher(target.path("legendFormat").asText())
                        .results()
                        .forEach(label -> {
                            if (!query.keeps(label.group(1), subject.exposed())) {
                                missing.add(text(panel, "title") + ": " + label.group() + " is not in the result");
                            }
                        });
            });
        }
        assertThat(missing).isEmpty();
    }

    @ParameterizedTest
    @EnumSource
    void panels_haveTitleUnitDescriptionAndTheChosenDatasource(Subject subject) throws IOException {
        for (JsonNode panel : subject.panels()) {
            String title = text(panel, "title");
            assertThat(title).isNotBlank();
            JsonNode defaults = panel.path("fieldConfig").path("defaults");
            assertThat(text(defaults, "unit")).as(title).isNotBlank();
            assertThat(text(panel, "description"))
                    .as(title)
                    .hasSizeGreaterThan(40)
                    .endsWith(".");
            assertThat(text(panel.path("datasource"), "type")).as(title).isEqualTo("prometheus");
            assertThat(text(panel.path("datasource"), "uid")).as(title).isEqualTo("${datasource}");
            for (MatchResult page :
                    PAGE.matcher(text(panel, "description")).results().toList()) {
                assertThat(DOCS.resolve(page.group(1))).as(title).isRegularFile();
            }
            if (!text(panel, "type").equals("timeseries")) {
                assertThat(children(defaults.path("thresholds"), "steps"))
                        .as(title)
                        .hasSizeGreaterThan(1);
            }
            assertAscending(
                    title, children(defaults.path("thresholds"), "steps").toList());
        }
    }

    /** The first step has no bound, the others rise. */
    private static void assertAscending(String title, List<JsonNode> steps) {
        for (int i = 0; i < steps.size(); i++) {
            JsonNode value = steps.get(i).path("value");
            if (i == 0) {
                assertThat(value.isNull()).as(title).isTrue();
            } else {
                assertThat(value.isNumber()).as(title).isTrue();
                assertThat(i == 1
                                || value.asDouble()
                                        > steps.get(i - 1).path("value").asDouble())
                        .as(title)
                        .isTrue();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void panels_haveTheirOwnIdsTitlesAndPlaces(Subject subject) throws IOException {
        Set<Integer> ids = new HashSet<>();
        Set<String> titles = new HashSet<>();
        Set<List<Integer>> taken = new HashSet<>();
        for (JsonNode panel : children(subject.dashboard(), "panels").toList()) {
            String title = text(panel, "title");
            assertThat(ids.add(panel.path("id").intValue())).as(title).isTrue();
            assertThat(titles.add(title)).as(title).isTrue();
            JsonNode place = panel.path("gridPos");
            int right = place.path("x").intValue() + place.path("w").intValue();
            int bottom = place.path("y").intValue() + place.path("h").intValue();
            assertThat(right).as(title).isLessThanOrEqualTo(24);
            for (int x = place.path("x").intValue(); x < right; x++) {
                for (int y = place.path("y").intValue(); y < bottom; y++) {
                    assertThat(taken.add(List.of(x, y))).as(title).isTrue();
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void monitoringDoc_listsExactlyWhatIsExposed(Subject subject) throws IOException {
        List<Row> rows = rows(subject);
        assertThat(rows.stream().map(Row::name))
                .doesNotHaveDuplicates()
                .containsExactlyInAnyOrderElementsOf(subject.exposed().ownFamilies());
        for (Row row : rows) {
            Map<String, Set<String>> labels = subject.exposed().labelsOf(row.name());
            assertThat(row.type())
                    .as(row.name())
                    .isEqualTo(subject.exposed().types().get(row.name()));
            assertThat(row.labels())
                    .as(row.name())
                    .isEqualTo(labels.keySet().stream()
                            .map(label -> "`" + label + "`")
                            .collect(Collectors.joining(", ")));
            if (!row.name().endsWith("_info")) {
                labels.values().stream()
                        .flatMap(Set::stream)
                        .forEach(value -> assertThat(row.line()).contains("`" + value + "`"));
            }
        }
    }

    @Test
    void monitoringDoc_namesNothingElse() throws IOException {
        Exposed both = ofBackend.and(ofAgent);
        Set<String> invented = new TreeSet<>();
        OWN_NAME.matcher(monitoring())
                .results()
                .map(MatchResult::group)
                .filter(name -> !both.hasSample(name) && !both.types().containsKey(name))
                .forEach(invented::add);
        assertThat(invented).isEmpty();
    }

    @Test
    void monitoringDoc_itsQueriesAreThoseOfTheDashboards() throws IOException {
        Set<String> shown = new HashSet<>();
        for (Subject subject : Subject.values()) {
            subject.panels().stream()
                    .flatMap(panel -> children(panel, "targets"))
                    .forEach(target -> shown.add(ofAllInstances(text(target, "expr"))));
        }
        List<String> queries = QUERY.matcher(monitoring())
                .results()
                .map(query -> ofAllInstances(query.group(1)))
                .toList();
        assertThat(queries).hasSizeGreaterThan(5).isSubsetOf(shown);
    }

    private static String ofAllInstances(String query) {
        return query.replaceAll("\\s", "")
                .replace("{instance=~\"$instance\"}", "")
                .replace(",instance=~\"$instance\"", "");
    }

    private static String monitoring() throws IOException {
        return Files.readString(DOCS.resolve("monitoring.md"));
    }

    private static List<Row> rows(Subject subject) throws IOException {
        String doc = monitoring();
        int start = doc.indexOf(subject.chapter + "\n");
        assertThat(start).as(subject.chapter).isNotNegative();
        int end = doc.indexOf("\n## ", start);
        return doc.substring(start, end < 0 ? doc.length() : end)
                .lines()
                .filter(line -> line.startsWith("| `"))
                .map(line -> {
                    String[] cells = line.substring(2, line.length() - 2).split(" \\| ", -1);
                    assertThat(cells).as(line).hasSize(6);
                    return new Row(cells[0].replace("`", ""), cells[1], cells[2].strip(), line);
                })
                .toList();
    }

    private static Stream<JsonNode> children(JsonNode parent, String name) {
        List<JsonNode> children = new ArrayList<>();
        parent.path(name).forEach(children::add);
        return children.stream();
    }

    private static String text(JsonNode parent, String name) {
        JsonNode member = parent.path(name);
        assertThat(member).as(name + " of " + parent).isNotInstanceOf(MissingNode.class);
        return member.textValue();
    }
}
