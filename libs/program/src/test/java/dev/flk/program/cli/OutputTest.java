// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class OutputTest {
    private static final Table<Shard> TABLE = new Table<Shard>()
            .left("SHARD", Shard::shardId)
            .right("COUNT", Shard::count)
            .left("STATE", shard -> "ok");

    private final StringBuilder out = new StringBuilder();

    private record Shard(String shardId, long count) {}

    @Test
    void table_columns_areAsWideAsTheirLongestValue() {
        new Output(out::append, false)
                .printAll("shard", List.of(new Shard("a", 5), new Shard("plant-7", 123_456)), TABLE::of);

        assertThat(out).hasToString("""
                SHARD     COUNT  STATE
                a             5  ok
                plant-7  123456  ok
                """);
    }

    @Test
    void table_afterALongValue_continuesOnTheNextLine() {
        assertThat(TABLE.row(new Shard("x".repeat(60), 5)))
                .isEqualTo("x".repeat(60) + "\n" + " ".repeat(40) + "5  ok\n");
    }

    @Test
    void table_declaredWidths_alignRowsPrintedOneByOne() {
        Table<Shard> table = new Table<Shard>().right("COUNT", 8, Shard::count).left("SHARD", Shard::shardId);

        assertThat(table.heading() + table.row(new Shard("a@|bold b|@\u001b[1m\n", 12)))
                .isEqualTo("""
                   COUNT  SHARD
                      12  a@|bold b|@?[1m?
                """);
    }

    @Test
    void table_longTextInTheLastColumn_isTruncated() {
        Table<Shard> table = new Table<Shard>().right("COUNT", Shard::count).left("SHARD", Shard::shardId);

        assertThat(table.row(new Shard("x".repeat(100), 1))).isEqualTo("1  " + "x".repeat(76) + "…\n");
    }

    @Test
    void json_isTheRecordOnOneLineWithoutNotes() {
        Output output = new Output(out::append, true);
        output.printAll("shard", List.of(new Shard("a", 1), new Shard("b", 2)), TABLE::of);
        output.note("2 shards\n");
        output.print(new Shard("c", 3), TABLE::row);

        assertThat(out).hasToString("""
                {"type":"shard","shard_id":"a","count":1}
                {"type":"shard","shard_id":"b","count":2}
                {"shard_id":"c","count":3}
                """);
    }

    @Test
    void json_bytes_keepRawCharactersBeyondAscii() {
        record Wrapped(String name, Object state) {}

        assertThat(Json.bytes(new Wrapped("Zürich", Json.raw("{\"city\":\"Zürich\"}"))))
                .asString(StandardCharsets.UTF_8)
                .isEqualTo("{\"name\":\"Z\\u00FCrich\",\"state\":{\"city\":\"Zürich\"}}");
    }

    @Test
    void json_longName_isParsed() throws Exception {
        String name = "n".repeat(60_000);
        assertThat(Json.parse("{\"" + name + "\":1}").path(name).asInt()).isEqualTo(1);
    }
}
