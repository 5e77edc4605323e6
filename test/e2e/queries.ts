/**
 * The queries that test/e2e/prometheus.test.ts asks of Prometheus and of us, on a minute of data
 * scraped every second from a node_exporter (job `node`) and from Prometheus itself (job `self`).
 * None may be empty. `{AT}` stands for a moment in the middle of the minute, unix seconds.
 */

/** A query and how it is asked. */
export interface Asked {
  readonly query: string
  /** Both, unless said otherwise. */
  readonly as?: 'instant' | 'range'
  /** Whether the order of the values means something (instant only). */
  readonly isOrdered?: boolean
}

/** By kind, as the issue lists them. */
export const QUERIES: readonly Asked[] = [
  // Selectors and matchers.
  { query: 'up' },
  { query: 'node_cpu_seconds_total{mode="idle"}' },
  { query: 'node_cpu_seconds_total{mode!="idle", cpu="0"}' },
  { query: '{__name__=~"node_memory_Mem(Total|Free)_bytes"}' },
  { query: '{job="self", __name__=~"go_gc_.+", __name__!~".*(sum|count|total)"}' },
  { query: 'node_load1{job=~"no.*", instance!~"x.*", missing=""}' },
  { query: 'node_load1[20s]', as: 'instant' },
  { query: 'node_cpu_seconds_total{cpu="0"} offset 10s' },
  { query: 'node_cpu_seconds_total{cpu="0"} @ {AT}' },
  { query: 'node_cpu_seconds_total{cpu="0"} @ end()' },
  { query: 'rate(node_cpu_seconds_total[20s] @ {AT} offset 3s)' },
  // Functions over ranges of counters and gauges.
  { query: 'rate(node_cpu_seconds_total[20s])' },
  { query: 'irate(node_cpu_seconds_total{mode="idle"}[15s])' },
  { query: 'increase(prometheus_http_requests_total[30s])' },
  { query: 'delta(node_memory_MemFree_bytes[25s])' },
  { query: 'idelta(node_memory_MemFree_bytes[25s])' },
  { query: 'deriv(node_memory_MemFree_bytes[20s])' },
  { query: 'predict_linear(node_memory_MemFree_bytes[20s], 3600)' },
  { query: 'resets(go_memstats_heap_alloc_bytes[40s])' },
  { query: 'changes(node_memory_MemFree_bytes[30s])' },
  { query: 'avg_over_time(node_memory_MemFree_bytes[20s])' },
  { query: 'sum_over_time(up[20s]) + count_over_time(up[20s]) + last_over_time(up[5s])' },
  { query: 'min_over_time(go_goroutines[20s]) / max_over_time(go_goroutines[20s])' },
  { query: 'stddev_over_time(node_memory_MemFree_bytes[20s])' },
  { query: 'stdvar_over_time(go_goroutines[20s])' },
  { query: 'quantile_over_time(0.9, node_memory_MemFree_bytes[20s])' },
  { query: 'present_over_time(node_load1[10s])' },
  { query: 'absent_over_time(no_such_metric{job="x"}[10s])' },
  { query: 'absent(no_such_metric{job="x"})' },
  // Math, trigonometry, dates, scalars.
  { query: 'sqrt(abs(floor(node_load1 * -100))) + exp(node_load1) + ln(node_load1 + 1)' },
  { query: 'round(node_load1 * 100, 0.5) + sgn(node_load5) + ceil(log2(node_load15 + 2))' },
  { query: 'sin(node_load1) + cos(node_load1) + tan(node_load1) + atan(deg(rad(node_load1)))' },
  { query: 'clamp(node_load1, 0.1, 0.5) + clamp_min(node_load1, 1) + clamp_max(node_load1, 1)' },
  { query: 'hour(timestamp(up)) * 100 + minute(timestamp(up))' },
  { query: 'minute() + day_of_week() + day_of_month() + days_in_month() + month() + year()' },
  { query: 'timestamp(node_load1)' },
  { query: 'time() - scalar(node_boot_time_seconds)' },
  { query: 'vector(pi())' },
  { query: '1 + 2 * 3 ^ 2 % 5' },
  { query: '"text"', as: 'instant' },
  // Labels and order.
  { query: 'label_replace(node_load1, "to", "$1-x", "instance", "(.*):.*")' },
  { query: 'label_join(node_cpu_seconds_total{cpu="0"}, "both", "/", "cpu", "mode")' },
  { query: 'sort(sum by (mode) (node_cpu_seconds_total))', as: 'instant', isOrdered: true },
  { query: 'sort_desc(sum by (mode) (node_cpu_seconds_total))', as: 'instant', isOrdered: true },
  // Histograms.
  {
    query:
      'histogram_quantile(0.9, sum by (le, handler) (rate(prometheus_http_request_duration_seconds_bucket[30s])))',
  },
  { query: 'histogram_quantile(0.5, prometheus_http_request_duration_seconds_bucket)' },
  // Aggregations.
  { query: 'sum(rate(node_cpu_seconds_total[20s]))' },
  { query: 'avg by (cpu) (node_cpu_seconds_total)' },
  { query: 'min without (cpu) (node_cpu_seconds_total)' },
  { query: 'max by (mode) (node_cpu_seconds_total)' },
  { query: 'count by (job) ({__name__=~".+"})' },
  { query: 'group by (job) (up)' },
  { query: 'stddev(node_cpu_seconds_total) + stdvar(node_cpu_seconds_total)' },
  { query: 'topk(3, sum by (mode) (node_cpu_seconds_total))' },
  { query: 'bottomk by (job) (1, scrape_samples_scraped)' },
  { query: 'quantile by (cpu) (0.75, node_cpu_seconds_total)' },
  { query: 'count_values("value", up)' },
  // Binary operators.
  { query: '1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes' },
  {
    query:
      'node_cpu_seconds_total / on (instance, job) group_left () sum by (instance, job) (node_cpu_seconds_total)',
  },
  {
    query:
      'sum without (mode) (node_cpu_seconds_total) * ignoring (mode) group_right () node_cpu_seconds_total',
  },
  { query: 'node_load1 > bool node_load5' },
  { query: 'node_cpu_seconds_total > 1' },
  { query: 'up and on (job) node_load1' },
  { query: 'up unless on (job) node_load1' },
  { query: 'node_load1 or node_load5' },
  { query: '-node_load1 ^ 2' },
  // Subqueries.
  { query: 'max_over_time(rate(node_cpu_seconds_total{cpu="0"}[10s])[20s:2s])' },
  { query: 'avg_over_time(node_load1[30s:5s] offset 5s)' },
  { query: 'sum_over_time((node_load1 > bool 0)[20s:])' },
]
