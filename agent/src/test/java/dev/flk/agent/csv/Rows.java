// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.certify.Windows;
import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Builds rows and windows for tests. */
public final class Rows {
    private Rows() {}

    public static CsvRows csv(String text) throws IOException, MalformedCsv {
        return csv(text, Columns.USUAL);
    }

    public static CsvRows csv(String text, Columns columns) throws IOException, MalformedCsv {
        return new CsvRows(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)), columns, CsvFormat.USUAL);
    }

    public static List<Row> read(String text) throws IOException, MalformedCsv {
        return read(csv(text));
    }

    public static List<Row> read(CsvRows csv) throws IOException, MalformedCsv {
        List<Row> rows = new ArrayList<>();
        for (Row row = csv.next(); row != null; row = csv.next()) {
            rows.add(row);
        }
        return rows;
    }

    public static List<Window> cut(Windows windows, String text) throws IOException, MalformedCsv {
        List<Window> cut = new ArrayList<>();
        windows.cut(csv(text), cut::add);
        return cut;
    }

    /** Returns {@code count} rows, one per second starting at 0, all at the same place. */
    public static String still(int count) {
        StringBuilder text = new StringBuilder("timestamp,x,y,z\n");
        for (int i = 0; i < count; i++) {
            text.append(i).append(",1,2,3\n");
        }
        return text.toString();
    }

    public static List<Row> random(Random random, int count) {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            rows.add(new Row(i, random.nextGaussian() * 100, random.nextDouble(), random.nextInt(5)));
        }
        return rows;
    }
}
