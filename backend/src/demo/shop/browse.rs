//! Looking around: catalogue, search, prices, stock and recommendations.

use super::super::model::Detail::{Product, SearchTerm, User};
use super::super::model::{Entry, Fault, Operation, Step, call, ms, us};
use super::data;
use super::services::{CATALOG, INVENTORY, PRICING, RECOMMENDATION, SEARCH};

pub static CATALOG_GET: Operation = Operation {
    service: &CATALOG,
    entry: Entry::Grpc { service: "shop.catalog.v1.CatalogService", method: "GetProduct" },
    handler: "get_product",
    details: &[Product],
    faults: &[(0.006, Fault::NotFound), (0.000_6, Fault::Bug)],
    steps: &[
        Step::Work(us(250, 0.5)),
        Step::CacheAside {
            get: &data::GET_PRODUCT,
            hit: 0.86,
            otherwise: &[
                Step::Sql(&data::PRODUCT),
                Step::Work(us(400, 0.5)),
                Step::Tolerate(&[Step::Cache(&data::SET_PRODUCT)]),
            ],
        },
        Step::Work(us(200, 0.5)),
    ],
};

pub static CATALOG_FEATURED: Operation = Operation {
    service: &CATALOG,
    entry: Entry::Grpc { service: "shop.catalog.v1.CatalogService", method: "ListFeatured" },
    handler: "list_featured",
    details: &[],
    faults: &[(0.000_4, Fault::Bug)],
    steps: &[
        Step::Work(us(250, 0.5)),
        Step::CacheAside {
            get: &data::GET_FEATURED,
            hit: 0.93,
            otherwise: &[Step::Sql(&data::FEATURED), Step::Tolerate(&[Step::Cache(&data::SET_FEATURED)])],
        },
        Step::Work(us(500, 0.5)),
    ],
};

pub static CATALOG_BATCH: Operation = Operation {
    service: &CATALOG,
    entry: Entry::Grpc { service: "shop.catalog.v1.CatalogService", method: "BatchGetProducts" },
    handler: "batch_get_products",
    details: &[],
    faults: &[(0.000_4, Fault::Bug)],
    steps: &[Step::Work(us(300, 0.5)), Step::Sql(&data::PRODUCTS), Step::Work(us(600, 0.5))],
};

pub static SEARCH_QUERY: Operation = Operation {
    service: &SEARCH,
    entry: Entry::Grpc { service: "shop.search.v1.SearchService", method: "Query" },
    handler: "query",
    details: &[SearchTerm],
    faults: &[(0.001, Fault::Invalid), (0.000_5, Fault::Bug)],
    steps: &[
        Step::Internal { name: "rewrite query", steps: &[Step::Work(us(700, 0.5))] },
        Step::Sql(&data::FULL_TEXT),
        Step::Internal { name: "rank", steps: &[Step::Work(ms(3, 0.5))] },
        Step::Parallel(&[Step::Sql(&data::FACETS), call(&CATALOG_BATCH), call(&PRICING_BULK)]),
        Step::Work(us(400, 0.5)),
    ],
};

pub static PRICING_QUOTE: Operation = Operation {
    service: &PRICING,
    entry: Entry::Grpc { service: "shop.pricing.v1.PricingService", method: "Quote" },
    handler: "quote",
    details: &[Product],
    faults: &[(0.000_5, Fault::Bug)],
    steps: &[
        Step::CacheAside {
            get: &data::GET_PRICE,
            hit: 0.8,
            otherwise: &[Step::Sql(&data::PRICE), Step::Tolerate(&[Step::Cache(&data::SET_PRICE)])],
        },
        Step::Internal { name: "apply discounts", steps: &[Step::Work(us(900, 0.5))] },
    ],
};

pub static PRICING_BULK: Operation = Operation {
    service: &PRICING,
    entry: Entry::Grpc { service: "shop.pricing.v1.PricingService", method: "QuoteMany" },
    handler: "quote_many",
    details: &[],
    faults: &[(0.000_5, Fault::Bug)],
    steps: &[
        Step::Sql(&data::PRICE),
        Step::Internal { name: "apply discounts", steps: &[Step::Work(ms(2, 0.5))] },
    ],
};

pub static INVENTORY_GET: Operation = Operation {
    service: &INVENTORY,
    entry: Entry::Grpc { service: "shop.inventory.v1.InventoryService", method: "GetStock" },
    handler: "get_stock",
    details: &[Product],
    faults: &[(0.000_5, Fault::Bug)],
    steps: &[Step::Work(us(150, 0.5)), Step::Sql(&data::STOCK), Step::Work(us(120, 0.5))],
};

pub static RECOMMEND: Operation = Operation {
    service: &RECOMMENDATION,
    entry: Entry::Http { method: "GET", route: "/v1/users/{userId}/recommendations" },
    handler: "recommendations_for_user",
    details: &[User],
    faults: &[(0.002, Fault::Bug)],
    steps: &[
        Step::Work(us(900, 0.5)),
        Step::Tolerate(&[Step::Cache(&data::GET_FEATURES)]),
        Step::Internal { name: "model.infer", steps: &[Step::Work(ms(22, 0.5))] },
        call(&CATALOG_BATCH),
        Step::Work(us(800, 0.5)),
    ],
};

pub static RECOMMEND_SIMILAR: Operation = Operation {
    service: &RECOMMENDATION,
    entry: Entry::Http { method: "GET", route: "/v1/products/{productId}/similar" },
    handler: "similar_products",
    details: &[Product],
    faults: &[(0.002, Fault::Bug)],
    steps: &[
        Step::Work(us(700, 0.5)),
        Step::Internal { name: "nearest_neighbours", steps: &[Step::Work(ms(12, 0.6))] },
        Step::Sometimes(0.4, &[call(&CATALOG_BATCH)]),
    ],
};
