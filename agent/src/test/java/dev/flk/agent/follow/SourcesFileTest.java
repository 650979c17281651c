// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.follow.Source.Shard;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SourcesFileTest {
    private static final Path SCHEMA = Path.of("..", "docs", "sources.schema.json");
    private static final String ALL = """
            sources:
              - name: hall-3
                files: /data/{a,b}/hall-?.csv
                encoding: windows-1252
                delimiter: tab
                decimal: ","
                grouping: "'"
                missing: [NaN, no, -999.9]
                header: false
                skip_lines: 2
                time: {column: [1, "2"], format: "d.M.yy H:mm", zone: +01:00, years_from: 1950}
                values: [3, 4]
                window: {time: 6h}
                shard: {file: "(.*)\\\\.csv"}
              - name: "7"
                files: rows.csv
                complete: true
                skip_rows_after_header: 1
                comment: "#"
                only: ["state=run"]
                skip_last_lines: 1
                time: {column: t, unit: excel}
                values: [temp]
                window: 100
                shard: 007
              - {name: x, files: x.csv, time: none, values: [1]}
              - {name: y, files: y.csv, time: none, values: [temp], shard: {column: sensor}}
            """;
    private static final String ENTRY = "sources:\n  - name: a\n    files: /a.csv\n    time: t\n    values: [v]\n";

    @TempDir
    private Path directory;

    private List<Source> read(String text) throws IOException {
        return SourcesFile.read(Files.writeString(directory.resolve("sources.yaml"), text));
    }

    @Test
    void read_allMembers_haveTheMeaningOfTheOptions() throws Exception {
        List<Source> sources = read(ALL);

        Source first = sources.get(0);
        assertThat(first.name()).isEqualTo("hall-3");
        assertThat(first.files()).isEqualTo("/data/{a,b}/hall-?.csv");
        assertThat(first.columns()).isEqualTo(new Columns(Optional.of("1,2"), List.of("3", "4")));
        assertThat(first.format().encoding()).contains(Charset.forName("windows-1252"));
        assertThat(first.format().notation().delimiter()).contains('\t');
        assertThat(first.format().decimal()).contains(',');
        assertThat(first.format().missing()).containsExactlyInAnyOrder("NaN", "no", "-999.9");
        assertThat(first.format().zone()).contains(ZoneId.of("+01:00"));
        assertThat(first.format().hasHeader()).isFalse();
        assertThat(first.windows()).isEqualTo(Windows.byTime(Duration.ofHours(6)));
        assertThat(first.shard().ids(Path.of("/data/b/hall-7.csv"))).containsExactly("hall-7");
        Source second = sources.get(1);
        assertThat(second.isComplete()).isTrue();
        assertThat(second.files()).isEqualTo(directory + "/rows.csv");
        assertThat(second.windows()).isEqualTo(Windows.byCount(100, 0));
        assertThat(second.shard()).isEqualTo(new Shard.Ids(List.of("007")));
        assertThat(second.format().filter().only()).containsExactly("state=run");
        assertThat(sources.get(2).columns().time()).isEmpty();
        assertThat(sources.get(2).shard()).isEqualTo(new Shard.Ids(List.of("x")));
        assertThat(sources.get(3).columns().shard()).contains("sensor");
    }

    @Test
    void read_sameTextTwice_givesEqualSources() throws Exception {
        assertThat(read(ALL)).isEqualTo(read(ALL));
        assertThat(read(ALL.replace("1950", "1951")).get(0))
                .isNotEqualTo(read(ALL).get(0));
    }

    /** The columns: the line to replace in {@link #ENTRY}, its replacement, the place, and a part of the message. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "time: t     | time: t\\n    speed: 1          | line 5, column 5: source a: | there is no member speed; the members are name, files",
                "time: t     | time: {column: t, form: x}      | line 4, column 23: source a: | there is no member time.form; the members are time.column, time.format",
                "time: t     | time: {format: yyyy}            | line 2, column 5: source a: | time is missing; write the name of its column",
                "time: t     | header: true                    | line 2, column 5: source a: | time is missing; write the name of its column, or none",
                "name: a     | name: a/b                       | line 2, column 5: source a/b: | name: must have 1 to 64 letters, digits, points, hyphens or underscores",
                "name: a     | name: a\\n    name: b           | line 3, column 5: | name occurs twice; remove one of them",
                "files: /a.csv | files: *.csv                  | line 3, column  | put a text that begins with a sign",
                "time: t     | time: &x t\\n    shard: *x       | line 5, column 5: | anchors (&) and aliases (*) are not supported",
                "files: /a.csv | files: /data/**/a.csv         | line 3, column 5: source a: | files: '/data/**/a.csv' is no path with wildcards: ** is not supported",
                "files: /a.csv | files: /data/[a.csv           | line 3, column 5: source a: | files: '/data/[a.csv' is no path with wildcards",
                "time: t     | time: t\\n    decimal: ,        | line 5, column 14: | is not YAML: expected the node content, but found ','; put a text that begins with a sign",
                "time: t     | time: t\\n    decimal:          | line 5, column 5: | has no value; remove it",
                "time: t     | time: t\\n    decimal: x        | line 5, column 5: source a: | decimal: must be a point or a comma, not 'x'",
                "time: t     | time: t\\n    encoding: 1252    | line 5, column 5: source a: | encoding: '1252' is no encoding; write it like windows-1252",
                "time: t     | time: t\\n    complete: yes     | line 5, column 5: source a: | complete: must be true or false, not 'yes'",
                "time: t     | time: t\\n    comment: '#'      | line 2, column 5: source a: | complete: comment, only and skip_last_lines need complete files; add complete: true",
                "time: t     | time: t\\n    window: 1_000     | line 5, column 5: source a: | window: must be a number such as 100, not '1_000'",
                "time: t     | time: t\\n    window: {time: 6} | line 5, column 14: source a: | time in window: the value is not a duration; write it like",
                "time: t     | time: t\\n    window: {rows: 6} | line 5, column 14: source a: | there is no member window.rows; the members are window.time",
                "time: t     | time: t\\n    shard: {file: (}  | line 5, column 13: source a: | shard.file: is no regular expression",
                "time: t     | time: t\\n    skip_lines: -1    | line 5, column 5: source a: | skip_lines: must be at least 0, not -1",
                "time: t     | time: {column: t, zone: CET}    | line 4, column 23: source a: | zone in time: 'CET' may be meant with or without",
                "time: t     | time: {column: {a: b}}         | line 4, column 12: source a: | time.column: must be one text",
                "name: a     | name: {x: a}                   | line 2, column 12: | there is no member name.x; the members are name, files",
                "time: t     | time: t\\n    shard: {column: c, file: f} | line 5, column 24: source a: | shard.file: is one rule for shards",
                "values: [v] | values: []                     | line 5, column 5: source a: | values: must name one to three columns",
                "files: /a.csv | files: /                       | line 3, column 5: source a: | files: '/' is no path with wildcards: it names no file",
                "values: [v] | values: v                       | line 5, column 5: source a: | values: must be a list of texts, such as [a, b]",
                "values: [v] | values: [a, b, c, d]            | line 5, column 5: source a: | values: must name one to three columns",
                "values: [v] | values: [[[[[[v]]]]]]           | line 5, column  | nested too deeply",
                "values: [v] | values: [v                      | line 6, column 1: | is not YAML",
                "values: [v] | `values: [v]\\n---\\nx`         | line  | second document",
                "name: a     | name: [a]                       | line 2, column 5: | name: must be one text",
                "sources:    | source:                         | line 1, column 1: | the file must have one member, sources, with a list of sources",
            })
    void read_mistake_isNamedWithItsPlaceAndWhatToDo(String line, String replacement, String place, String message) {
        String text =
                ENTRY.replace(line.replace("\\n", "\n"), replacement == null ? "" : replacement.replace("\\n", "\n"));

        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> read(text))
                .withMessageStartingWith(directory.resolve("sources.yaml") + ", " + place)
                .withMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "give --grouping \"'\" if the apostrophe groups thousands | give grouping: \"'\" if the apostrophe groups thousands",
                "give --decimal . or --decimal ,          | give decimal: \".\" or decimal: \",\"",
                "give the --delimiter                     | give the delimiter",
                "give --time-unit ms, or --time-unit s for seconds | give unit: ms, or unit: s for seconds",
                "--time-unit is for numbers               | unit in time is for numbers",
                "such as --time-zone +01:00               | such as zone: \"+01:00\"",
                "skip it with --skip-rows-after-header 1  | skip it with skip_rows_after_header: 1",
                "--skip-lines is 5                        | skip_lines is 5",
                "give --shard-column no, or --only \"a=b\" | give shard: {column: \"no\"}, or only: [\"a=b\"]",
                "no row has what --only requires, so      | no row has what only requires, so",
                "sort the file, or use --sort             | sort the file",
                "use --no-header with numbers             | use header: false with numbers",
                "choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]], or | choose others with time and values, or",
                "another --window-time                    | another time in window",
            })
    void inFile_options_becomeMembers(String message, String inFile) {
        assertThat(SourceMembers.inFile(message)).isEqualTo(inFile);
    }

    @Test
    void read_tooMuch_isRefused() {
        String entry = ENTRY.substring(ENTRY.indexOf("  -"));
        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> read("sources:\n" + entry.repeat(1_001)))
                .withMessageContaining("1001 sources");
        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> read(ENTRY + "#".repeat(1 << 20)))
                .withMessageContaining("1 MiB");
        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(() -> read(ENTRY + entry))
                .withMessageContaining("another source has this name");
    }

    @Test
    void schema_listsTheMembersThatAreRead() throws Exception {
        JsonNode entry = new ObjectMapper().readTree(SCHEMA.toFile()).at("/properties/sources/items");

        assertThat(names(entry.path("properties")))
                .containsExactlyInAnyOrderElementsOf(SourceEntry.names()
                        .map(name -> name.replaceFirst("\\..*", ""))
                        .collect(Collectors.toSet()));
        assertThat(names(entry.at("/properties/time/anyOf/1/properties")))
                .map(name -> "time." + name)
                .isEqualTo(SourceEntry.names()
                        .filter(name -> name.startsWith("time."))
                        .toList());
        assertThat(entry.path("additionalProperties").isBoolean()).isTrue();
    }

    private static List<String> names(JsonNode object) {
        List<String> names = new ArrayList<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
