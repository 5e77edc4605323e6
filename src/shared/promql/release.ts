/**
 * Prometheus releases that answer some queries differently: 3.5, the long-term one, and what its
 * scripts describe. Since 3.5, a comparison's matches are checked before it filters, a subquery's
 * series keep it in mind that their names are to be dropped, label_replace and label_join merge
 * series that they have made equal and that do not overlap (as does the dropping of names at the
 * end of a query), and sort_by_label says that it has no effect in a range query.
 */
export type PrometheusRelease = '3.5' | 'main'
